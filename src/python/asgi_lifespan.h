/* SPDX-License-Identifier: MIT */
/* The lifespan of an application. */
#ifndef PYTHON_ASGI_LIFESPAN_H
#define PYTHON_ASGI_LIFESPAN_H

#include "base/err.h"

/* In the order of the lifespan setting's choices. */
enum lifespan_mode { LIFESPAN_AUTO, LIFESPAN_ON, LIFESPAN_OFF };

/* 0, or -1 and err where the application must not serve. */
int	asgi_lifespan_start(enum lifespan_mode, struct err *) MUSTCHECK;
/* Tell it to shut down, and wait, a bounded time. */
void	asgi_lifespan_stop(void);

#endif
