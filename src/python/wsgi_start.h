/* SPDX-License-Identifier: MIT */
/* start_response() and the write() it returns. */
#ifndef PYTHON_WSGI_START_H
#define PYTHON_WSGI_START_H

#include <stdbool.h>

#include "python/py.h"

struct req;

/*
 * The object that is start_response. The application may keep it: it loses
 * its request when that is over.
 */
struct wsgi_start {
	PyObject_HEAD
	vectorcallfunc	 call;
	struct req	*req;		/* NULL: over */
	PyObject	*write;		/* borrowed: it owns us */
	bool		 called;	/* also by a call that was refused */
	bool		 head;		/* a valid head is there */
};

int	wsgi_start_init(void) MUSTCHECK;
/* For this request; NULL with an exception set. */
struct wsgi_start *wsgi_start_new(struct req *);
/* The request is over: takes the reference. */
void	wsgi_start_free(struct wsgi_start *);

/* What a body without a head gets. Sets the exception and returns -1. */
int	wsgi_start_missing(void);

#endif
