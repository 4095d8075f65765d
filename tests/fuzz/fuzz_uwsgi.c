/* SPDX-License-Identifier: MIT */
/* needs: proto/uwsgi.c */
/* Any bytes to the uwsgi codec, whole and cut. */
#include "tests/fuzz/fuzz_codec.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	codec_fuzz(&uwsgi_ops, data, size);
	return 0;
}
