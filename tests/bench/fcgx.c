/* SPDX-License-Identifier: MIT */

/*
 * The reference responder: libfcgi as its manual shows it, one connection a
 * request.  It looks at a few parameters, as an application would.
 */

#include <err.h>
#include <fcgiapp.h>
#include <stdio.h>

#define FCGX_BACKLOG	1024

static void
fcgx_answer(FCGX_Request *req)
{
	if (FCGX_GetParam("REQUEST_METHOD", req->envp) == NULL ||
	    FCGX_GetParam("SCRIPT_NAME", req->envp) == NULL)
		errx(1, "request without method or path");
	FCGX_PutS("Content-Type: text/plain\r\nContent-Length: 14\r\n"
	    "Status: 200 OK\r\n\r\nHello, world!\n", req->out);
}

int
main(int argc, char **argv)
{
	FCGX_Request req;
	int fd;

	if (argc != 2) {
		fputs("usage: fcgx SOCKET\n", stderr);
		return 2;
	}
	if (FCGX_Init() != 0)
		errx(1, "FCGX_Init");
	fd = FCGX_OpenSocket(argv[1], FCGX_BACKLOG);
	if (fd == -1)
		errx(1, "%s: cannot listen", argv[1]);
	FCGX_InitRequest(&req, fd, 0);
	while (FCGX_Accept_r(&req) == 0) {
		fcgx_answer(&req);
		FCGX_Finish_r(&req);
	}
	return 1;
}
