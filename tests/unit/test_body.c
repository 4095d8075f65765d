/* SPDX-License-Identifier: MIT */
/* Request bodies: where their bytes are, and that they come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "req/body.h"

static const struct body_conf plenty = {
	.memory = 1 << 20, .memory_sum = 16 << 20, .dir = "/tmp"
};

/* Bytes that differ at every place. */
static const char *
bytes(size_t n)
{
	static char v[1 << 21];
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = (char)(i * 31 + (i >> 8));
	return v;
}

static void
assert_reads_back(struct body *b, size_t n, size_t step)
{
	static char out[1 << 21];
	size_t at;
	ssize_t k;

	assert_int_equal(body_left(b), n);
	for (at = 0; at < n; at += (size_t)k) {
		k = body_read(b, out, step);
		assert_int_equal(k, at + step < n ? step : n - at);
		assert_memory_equal(out, bytes(n) + at, (size_t)k);
	}
	assert_int_equal(body_read(b, out, step), 0);
	assert_int_equal(body_left(b), 0);
}

static void
empty_is_nothing(void **state UNUSED)
{
	struct body b;
	size_t n;
	char c;

	body_init(&b);
	assert_int_equal(body_read(&b, &c, 1), 0);
	assert_null(body_peek(&b, &n));
	assert_int_equal(n, 0);
	assert_null(b.mem);
	body_fini(&b);
}

static void
small_ones_stay_in_memory_that_is_kept(void **state UNUSED)
{
	struct body b;
	size_t n;
	char *mem;

	body_init(&b);
	assert_int_equal(body_add(&b, &plenty, bytes(100), 100), 0);
	assert_memory_equal(body_peek(&b, &n), bytes(100), 100);
	assert_int_equal(n, 100);
	assert_reads_back(&b, 100, 7);
	assert_int_equal(b.fd, -1);
	mem = b.mem;
	body_reset(&b);
	assert_int_equal(b.len, 0);
	assert_int_equal(body_add(&b, &plenty, bytes(100), 100), 0);
	assert_ptr_equal(b.mem, mem);
	body_fini(&b);
	assert_null(b.mem);
}

static void
every_size_around_the_limit_comes_back(void **state UNUSED)
{
	struct body_conf conf = plenty;
	struct body b;
	size_t n;

	conf.memory = 20000;
	for (n = 19990; n < 20010; n++) {
		body_init(&b);
		assert_int_equal(body_add(&b, &conf, bytes(n), 777), 0);
		assert_int_equal(body_add(&b, &conf, bytes(n) + 777, n - 777),
		    0);
		assert_int_equal(b.fd != -1, n > 20000);
		assert_reads_back(&b, n, 4096);
		body_fini(&b);
	}
}

static void
room_is_for_what_has_arrived(void **state UNUSED)
{
	struct body b;
	size_t n = SIZE_MAX;

	body_init(&b);
	assert_non_null(body_room(&b, &plenty, &n));
	assert_true(n <= 65536);
	body_took(&b, 1);
	n = 1;
	assert_ptr_equal(body_room(&b, &plenty, &n), b.mem + 1);
	assert_int_equal(n, 1);
	assert_int_equal(b.len, 1);
	body_fini(&b);
}

static void
room_ends_where_the_file_begins(void **state UNUSED)
{
	struct body_conf conf = plenty;
	struct body b;
	size_t n = 100;

	conf.memory = 10;
	body_init(&b);
	memset(body_room(&b, &conf, &n), 'x', 10);
	assert_int_equal(n, 10);
	body_took(&b, 10);
	n = 100;
	assert_null(body_room(&b, &conf, &n));
	assert_int_equal(body_add(&b, &conf, "yz", 2), 0);
	assert_int_not_equal(b.fd, -1);
	assert_null(body_room(&b, &conf, &n));
	body_fini(&b);
}

static void
the_file_has_no_name(void **state UNUSED)
{
	struct body_conf conf = plenty;
	struct stat st;
	struct body b;

	conf.memory = 0;
	body_init(&b);
	assert_int_equal(body_add(&b, &conf, "x", 1), 0);
	assert_int_equal(fstat(b.fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	body_fini(&b);
}

static void
without_a_directory_memory_is_the_file(void **state UNUSED)
{
	struct body_conf conf = plenty;
	struct body b;

	conf.memory = 0;
	conf.dir = "/nonexistent";
	body_init(&b);
	assert_int_equal(body_add(&b, &conf, bytes(5000), 5000), 0);
	assert_reads_back(&b, 5000, 4999);
	body_fini(&b);
}

static void
a_full_disk_is_an_answer(void **state UNUSED)
{
	struct rlimit old, small = { 4096, 4096 };
	struct body_conf conf = plenty;
	struct body b;

	conf.memory = 0;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	body_init(&b);
	assert_int_equal(body_add(&b, &conf, bytes(5000), 5000), -1);
	assert_int_equal(errno, EFBIG);
	body_fini(&b);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
}

static void
bodies_share_a_bound(void **state UNUSED)
{
	struct body_conf conf = plenty;
	struct body b[20];
	size_t i, files = 0;

	conf.memory = 65536;
	conf.memory_sum = 10 * 65536;
	for (i = 0; i < 20; i++) {
		body_init(&b[i]);
		assert_int_equal(body_add(&b[i], &conf, bytes(65536), 65536),
		    0);
		files += b[i].fd != -1;
	}
	assert_int_equal(files, 10);
	for (i = 0; i < 20; i++) {
		assert_reads_back(&b[i], 65536, 10000);
		body_fini(&b[i]);
	}
	/* And what they gave back is to be had again. */
	body_init(&b[0]);
	assert_int_equal(body_add(&b[0], &conf, bytes(65536), 65536), 0);
	assert_int_equal(b[0].fd, -1);
	body_fini(&b[0]);
}

static void
a_whole_body_is_given_away(void **state UNUSED)
{
	struct body b;
	char *block;
	size_t n;

	body_init(&b);
	assert_int_equal(body_add(&b, &plenty, bytes(100000), 100000), 0);
	assert_null(body_give(&b, &n));		/* not all of it is here */
	b.whole = true;
	block = body_give(&b, &n);
	assert_non_null(block);
	assert_int_equal(n, 100000);
	memset(block, 0, BODY_FRONT);
	assert_memory_equal(block + BODY_FRONT, bytes(n), n);
	block[BODY_FRONT + n] = '\0';
	free(block);
	assert_int_equal(body_left(&b), 0);
	assert_null(body_peek(&b, &n));
	assert_int_equal(body_read(&b, &n, 1), 0);
	assert_null(body_give(&b, &n));
	body_reset(&b);
	assert_int_equal(body_add(&b, &plenty, bytes(10), 10), 0);
	b.whole = true;
	assert_int_equal(body_read(&b, &n, 1), 1);
	assert_null(body_give(&b, &n));		/* some of it is read */
	body_fini(&b);
}

static void
a_body_in_a_file_is_not_given_away(void **state UNUSED)
{
	struct body_conf conf = plenty;
	struct body b;
	size_t n;

	conf.memory = 100;
	body_init(&b);
	assert_int_equal(body_add(&b, &conf, bytes(101), 101), 0);
	b.whole = true;
	assert_null(body_give(&b, &n));
	assert_reads_back(&b, 101, 50);
	body_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_nothing),
		cmocka_unit_test(small_ones_stay_in_memory_that_is_kept),
		cmocka_unit_test(every_size_around_the_limit_comes_back),
		cmocka_unit_test(room_is_for_what_has_arrived),
		cmocka_unit_test(room_ends_where_the_file_begins),
		cmocka_unit_test(the_file_has_no_name),
		cmocka_unit_test(without_a_directory_memory_is_the_file),
		cmocka_unit_test(a_full_disk_is_an_answer),
		cmocka_unit_test(bodies_share_a_bound),
		cmocka_unit_test(a_whole_body_is_given_away),
		cmocka_unit_test(a_body_in_a_file_is_not_given_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
