/* SPDX-License-Identifier: MIT */
/* What resp.c asks of the head's writer, beside what resp.h shows to all. */
#ifndef REQ_RESP_HEAD_H
#define REQ_RESP_HEAD_H

#include "base/attr.h"

struct req;
struct resp;

/* Nothing is gathered, and no status is set. */
void	resp_clear(struct resp *);
/*
 * No more headers: write what goes behind them. Sets head_end. -1: no memory,
 * or too large.
 */
int	resp_close_head(struct req *) MUSTCHECK;

#endif
