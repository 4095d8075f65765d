/* SPDX-License-Identifier: MIT */
/* needs: proto/ws.c */
/*
 * Any bytes to the WebSocket decoder, whole and cut: the first byte of an
 * input chooses the pieces. Text that turns out not to be UTF-8 is told as far
 * as it came, which depends on the cut, so only what follows is compared then.
 */
#include "tests/unit/ws_trace.h"

#define LIMIT	4096

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
run(struct ws_trace *t, const uint8_t *data, size_t size, size_t step)
{
	size_t n;

	ws_init(&t->dec, LIMIT);
	for (; size > 0; data += n, size -= n) {
		n = size < step ? size : step;
		ws_trace_feed(t, data, n);
	}
	ws_trace_add(t, "\n", 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ws_trace whole = { 0 }, cut = { 0 };

	if (size == 0)
		return 0;
	run(&whole, data + 1, size - 1, size);
	run(&cut, data + 1, size - 1, (size_t)data[0] + 1);
	if (strstr(whole.text, "ERROR 1007 text") == NULL)
		assert(strcmp(whole.text, cut.text) == 0);
	else
		assert(strstr(cut.text, "ERROR 1007 text") != NULL);
	free(whole.text);
	free(cut.text);
	return 0;
}
