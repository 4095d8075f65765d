/* SPDX-License-Identifier: MIT */
/* needs: proto/fcgi.c */
/* Any bytes to the FastCGI codec, whole and cut. */
#include "tests/fuzz/fuzz_codec.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	codec_fuzz(&fcgi_ops, data, size);
	return 0;
}
