/* SPDX-License-Identifier: MIT */
/* The FastCGI codec, row by row of the table of hostile and unusual input. */
#include <fastcgi.h>

#include "tests/unit/proto_vector.h"

static const struct trace_policy plain = { .max_conns = 7 };
static const struct trace_policy prompt = { .max_conns = 7, .prompt = true };
static const struct trace_policy early = { .early = true };
static const struct trace_policy three = { .max_conns = 96, .streams = 3 };

static void
put_header(uint8_t type, uint16_t id, size_t len, size_t padding)
{
	const uint8_t	 h[] = {
		1, type, (uint8_t)(id >> 8), (uint8_t)id,
		(uint8_t)(len >> 8), (uint8_t)len, (uint8_t)padding, 0xaa
	};

	assert_true(len <= FCGI_MAX_LENGTH && padding <= 255);
	vector_put(h, sizeof(h));
}

/* Padding that looks like records: a codec that reads it will show. */
static void
put_padding(size_t n)
{
	static const uint8_t begin[] = {
		1, 1, 0, 9, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
	};

	for (; n > sizeof(begin); n -= sizeof(begin))
		vector_put(begin, sizeof(begin));
	vector_put(begin, n);
}

static void
put_record(uint8_t type, uint16_t id, const void *data, size_t len,
    size_t padding)
{
	put_header(type, id, len, padding);
	vector_put(data, len);
	put_padding(padding);
}

static void
put_text(uint8_t type, uint16_t id, const char *text)
{
	put_record(type, id, text, strlen(text), 0);
}

static void
put_empty(uint8_t type, uint16_t id)
{
	put_record(type, id, NULL, 0, 0);
}

static void
put_filled(uint8_t type, uint16_t id, size_t len)
{
	put_header(type, id, len, 0);
	vector_fill('x', len);
}

static void
put_begin_role(uint16_t id, unsigned role, uint8_t flags)
{
	const uint8_t	 b[8] = {
		(uint8_t)(role >> 8), (uint8_t)role, flags, 1, 2, 3, 4, 5
	};

	put_record(FCGI_BEGIN_REQUEST, id, b, sizeof(b), 0);
}

static void
put_begin(uint16_t id)
{
	put_begin_role(id, FCGI_RESPONDER, FCGI_KEEP_CONN);
}

/* A whole request without a body. */
static void
put_get(uint16_t id)
{
	put_begin(id);
	put_text(FCGI_PARAMS, id, "p");
	put_empty(FCGI_PARAMS, id);
	put_empty(FCGI_STDIN, id);
}

#define GET(id)	"BEGIN " id " keep\nPARAMS " id " p\nHEAD " id "\nEND " id "\n"

static void
expect(const struct trace_policy policy, const char *want)
{
	vector_check(&fcgi_ops, policy, want);
}

/* F1: the request of nginx, padded to 8, at every cut. */
static void
request_is_the_same_at_every_cut(void **state)
{
	(void)state;
	put_begin_role(1, FCGI_RESPONDER, 0);
	put_record(FCGI_PARAMS, 1, "\3\1ONE1", 6, 2);
	put_record(FCGI_PARAMS, 1, NULL, 0, 0);
	put_record(FCGI_STDIN, 1, "hello", 5, 3);
	put_record(FCGI_STDIN, 1, " world", 6, 2);
	put_record(FCGI_STDIN, 1, NULL, 0, 0);
	expect(plain,
	    "BEGIN 1\n"
	    "PARAMS 1 \\x03\\x01ONE1\n"
	    "HEAD 1\n"
	    "BODY 1 hello world\n"
	    "END 1\n");
}

/* F1, F14: records of the largest size, and PARAMS over many of them. */
static void
largest_records_are_taken(void **state)
{
	(void)state;
	put_begin(1);
	put_filled(FCGI_PARAMS, 1, 65535);
	put_filled(FCGI_PARAMS, 1, 1);
	put_empty(FCGI_PARAMS, 1);
	put_header(FCGI_STDIN, 1, 65535, 255);
	vector_fill('y', 65535);
	put_padding(255);
	put_filled(FCGI_STDIN, 1, 3);
	put_empty(FCGI_STDIN, 1);
	expect(plain,
	    "BEGIN 1 keep\n"
	    "PARAMS 1 65536 bytes\n"
	    "HEAD 1\n"
	    "BODY 1 65538 bytes\n"
	    "END 1\n");
}

/* F2 */
static void
padding_is_skipped_whatever_it_looks_like(void **state)
{
	(void)state;
	put_record(FCGI_BEGIN_REQUEST, 1, "\0\1\1\0\0\0\0\0", 8, 255);
	put_record(FCGI_PARAMS, 1, "p", 1, 255);
	put_record(FCGI_PARAMS, 1, NULL, 0, 255);
	put_record(FCGI_STDIN, 1, "b", 1, 255);
	put_record(FCGI_STDIN, 1, NULL, 0, 255);
	put_record(FCGI_GET_VALUES, 0, "\x0d\0FCGI_MAX_REQS", 15, 255);
	put_record(FCGI_BEGIN_REQUEST, 2, "\0\2\0\0\0\0\0\0", 8, 255);
	put_record(FCGI_STDOUT, 0, NULL, 0, 255);
	expect(prompt,
	    "BEGIN 1 keep\n"
	    "PARAMS 1 p\n"
	    "HEAD 1\n"
	    "BODY 1 b\n"
	    "END 1\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x10\\x00\\x00"
	    "\\x0d\\x01FCGI_MAX_REQS1\n"
	    "REFUSE 2 500 end 3\n"
	    "ERROR 0 0\n");
}

/* F3 */
static void
other_version_is_an_error(void **state)
{
	static const uint8_t versions[] = { 0, 2, 255 };
	size_t		 i, at;

	(void)state;
	for (i = 0; i < sizeof(versions); i++) {
		put_begin(1);
		vector.bytes[0] = versions[i];
		expect(plain, "ERROR 0 0\n");
		put_begin(1);
		at = vector.len;
		put_text(FCGI_PARAMS, 1, "p");
		vector.bytes[at] = versions[i];
		expect(plain, "BEGIN 1 keep\nERROR 1 0\n");
	}
}

/* F4 */
static void
another_protocol_is_an_error(void **state)
{
	(void)state;
	vector_put("GET / HTTP/1.1\r\n\r\n", 18);
	expect(plain, "ERROR 0 0\n");
	vector_put("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
	expect(plain, "ERROR 0 0\n");
	vector_put("\0\x0a\0\0\3\0KEY\3\0VAL", 14);
	expect(plain, "ERROR 0 0\n");
}

/* F5 */
static void
begin_of_another_length_is_an_error(void **state)
{
	static const size_t lengths[] = { 0, 7, 9, 65535 };
	size_t		 i;

	(void)state;
	for (i = 0; i < 4; i++) {
		put_filled(FCGI_BEGIN_REQUEST, 1, lengths[i]);
		expect(plain, "ERROR 1 0\n");
	}
}

/* F6: refused, its records skipped, and the id may be used again. */
static void
other_roles_are_refused(void **state)
{
	static const unsigned roles[] = { 0, 2, 3, 257, 65535 };
	size_t		 i;

	(void)state;
	for (i = 0; i < 5; i++) {
		put_begin_role(1, roles[i], (uint8_t)(i & 1));
		put_text(FCGI_PARAMS, 1, "p");
		put_empty(FCGI_PARAMS, 1);
		put_empty(FCGI_STDIN, 1);
		put_empty(FCGI_ABORT_REQUEST, 1);
		put_get(1);
		expect(plain, i & 1 ?
		    "REFUSE 1 keep 500 end 3\n" GET("1") :
		    "REFUSE 1 500 end 3\n" GET("1"));
	}
}

/* F7, F22 */
static void
request_records_of_id_0_are_errors(void **state)
{
	uint8_t		 type;

	(void)state;
	for (type = FCGI_BEGIN_REQUEST; type <= FCGI_DATA; type++) {
		put_record(type, 0, "\0\1\0\0\0\0\0\0", 8, 0);
		expect(plain, "ERROR 0 0\n");
	}
}

/* F8 */
static void
begin_of_an_active_id_is_an_error(void **state)
{
	(void)state;
	put_begin(1);
	put_text(FCGI_PARAMS, 1, "p");
	put_begin(1);
	expect(plain, "BEGIN 1 keep\nPARAMS 1 p\nERROR 1 0\n");
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_begin(1);
	expect(plain, "BEGIN 1 keep\nHEAD 1\nERROR 1 0\n");
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_text(FCGI_STDIN, 1, "b");
	put_begin(1);
	expect(plain, "BEGIN 1 keep\nHEAD 1\nBODY 1 b\nERROR 1 0\n");
	put_get(2);
	put_begin(2);
	expect(three, GET("2") "ERROR 2 0\n");
}

/* F9 */
static void
second_id_is_refused_and_the_first_untouched(void **state)
{
	(void)state;
	put_begin(1);
	put_text(FCGI_PARAMS, 1, "p");
	put_begin_role(3, FCGI_RESPONDER, 0);
	put_text(FCGI_PARAMS, 3, "q");
	put_text(FCGI_PARAMS, 1, "r");
	put_empty(FCGI_PARAMS, 3);
	put_empty(FCGI_PARAMS, 1);
	put_text(FCGI_STDIN, 3, "c");
	put_text(FCGI_STDIN, 1, "b");
	put_begin_role(5, FCGI_AUTHORIZER, 0);
	put_empty(FCGI_STDIN, 3);
	put_empty(FCGI_STDIN, 1);
	put_get(3);
	expect(plain,
	    "BEGIN 1 keep\n"
	    "PARAMS 1 p\n"
	    "REFUSE 3 503 end 1\n"
	    "PARAMS 1 r\n"
	    "HEAD 1\n"
	    "BODY 1 b\n"
	    "REFUSE 5 500 end 3\n"
	    "END 1\n"
	    GET("3"));
}

/* F9, F34: where it is allowed, up to the limit; a free entry is used again. */
static void
streams_interleave_up_to_their_number(void **state)
{
	(void)state;
	put_begin(1);
	put_begin(65535);
	put_text(FCGI_PARAMS, 1, "p");
	put_begin(32767);
	put_text(FCGI_PARAMS, 65535, "q");
	put_begin(4);
	put_empty(FCGI_PARAMS, 4);
	put_empty(FCGI_PARAMS, 65535);
	put_empty(FCGI_PARAMS, 1);
	put_text(FCGI_STDIN, 65535, "b");
	put_text(FCGI_STDIN, 1, "c");
	put_empty(FCGI_STDIN, 65535);
	put_begin(4);
	put_empty(FCGI_STDIN, 1);
	expect((struct trace_policy){ .streams = 3, .prompt = true },
	    "BEGIN 1 keep\n"
	    "BEGIN 65535 keep\n"
	    "PARAMS 1 p\n"
	    "BEGIN 32767 keep\n"
	    "PARAMS 65535 q\n"
	    "REFUSE 4 keep 503 end 2\n"
	    "HEAD 65535\n"
	    "HEAD 1\n"
	    "BODY 65535 b\n"
	    "BODY 1 c\n"
	    "END 65535\n"
	    "BEGIN 4 keep\n"
	    "END 1\n");
}

/* F10 */
static void
records_of_inactive_ids_are_skipped(void **state)
{
	static const uint8_t types[] = {
		FCGI_PARAMS, FCGI_STDIN, FCGI_DATA, FCGI_ABORT_REQUEST,
		FCGI_STDOUT, FCGI_END_REQUEST, FCGI_GET_VALUES, 77
	};
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(types); i++) {
		put_empty(types[i], 1);
		put_record(types[i], 9, "content", 7, 5);
		put_filled(types[i], 1, i < 4 ? 65535 : 20);
		put_get(1);
		put_text(types[i], 9, "content");
		put_get(1);
		put_empty(types[i], 9);
		expect(prompt, GET("1") GET("1"));
	}
}

/* F11: Apache begins id 1 again though the old STDIN never ended. */
static void
id_is_free_after_an_early_answer(void **state)
{
	(void)state;
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_filled(FCGI_STDIN, 1, 1000);
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_filled(FCGI_STDIN, 1, 1000);
	put_empty(FCGI_STDIN, 1);
	expect(early, "BEGIN 1 keep\nHEAD 1\nBEGIN 1 keep\nHEAD 1\n");
}

/* F11: the answer may go out in the middle of a record. */
static void
rest_of_an_answered_record_is_skipped(void **state)
{
	struct trace	 t;

	(void)state;
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_record(FCGI_STDIN, 1, "body", 4, 255);
	trace_init(&t, &fcgi_ops, &plain);
	vector_feed(&t, 0, 16 + 8 + 8 + 1);
	assert_int_equal(fcgi_ops.body_left(&t.dec), 3);
	fcgi_ops.done(&t.dec, 7);
	assert_int_equal(fcgi_ops.body_left(&t.dec), 3);
	fcgi_ops.done(&t.dec, 1);
	assert_int_equal(fcgi_ops.body_left(&t.dec), 0);
	vector_feed(&t, 16 + 8 + 8 + 1, 3 + 255);
	vector.len = 0;
	put_begin(1);
	put_record(FCGI_PARAMS, 1, "pairs", 5, 1);
	vector_feed(&t, 0, 16 + 8 + 2);
	fcgi_ops.done(&t.dec, 1);
	vector_feed(&t, 16 + 8 + 2, 4);
	vector.len = 0;
	put_get(1);
	vector_feed(&t, 0, vector.len);
	assert_string_equal(trace_text(&t),
	    "BEGIN 1 keep\n"
	    "HEAD 1\n"
	    "BODY 1 b\n"
	    "BEGIN 1 keep\n"
	    "PARAMS 1 pa\n"
	    GET("1"));
	trace_fini(&t);
}

/* F12, F15 */
static void
empty_params_end_them_once(void **state)
{
	(void)state;
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_empty(FCGI_PARAMS, 1);
	put_record(FCGI_PARAMS, 1, NULL, 0, 4);
	put_text(FCGI_STDIN, 1, "b");
	put_empty(FCGI_PARAMS, 1);
	put_empty(FCGI_STDIN, 1);
	put_empty(FCGI_PARAMS, 1);
	put_empty(FCGI_STDIN, 1);
	expect(plain, "BEGIN 1 keep\nHEAD 1\nBODY 1 b\nEND 1\n");
}

/* F13, and content after the end of its stream. */
static void
stream_out_of_order_is_an_error(void **state)
{
	(void)state;
	put_begin(1);
	put_text(FCGI_STDIN, 1, "b");
	expect(plain, "BEGIN 1 keep\nERROR 1 0\n");
	put_begin(1);
	put_empty(FCGI_STDIN, 1);
	expect(plain, "BEGIN 1 keep\nERROR 1 0\n");
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_text(FCGI_PARAMS, 1, "p");
	expect(plain, "BEGIN 1 keep\nHEAD 1\nERROR 1 400\n");
	put_get(1);
	put_text(FCGI_PARAMS, 1, "p");
	expect(plain, GET("1") "ERROR 1 0\n");
	put_get(1);
	put_text(FCGI_STDIN, 1, "b");
	expect(plain, GET("1") "ERROR 1 0\n");
}

/* F20 */
static void
abort_is_reported_once_for_an_active_id(void **state)
{
	(void)state;
	put_empty(FCGI_ABORT_REQUEST, 1);
	put_begin(1);
	put_empty(FCGI_ABORT_REQUEST, 1);
	put_empty(FCGI_ABORT_REQUEST, 1);
	put_get(1);
	expect(plain, "BEGIN 1 keep\nABORT 1\n" GET("1"));
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_text(FCGI_STDIN, 1, "b");
	put_record(FCGI_ABORT_REQUEST, 1, "content", 7, 9);
	put_text(FCGI_ABORT_REQUEST, 1, "content");
	put_text(FCGI_STDIN, 1, "late");
	put_empty(FCGI_STDIN, 1);
	put_text(FCGI_PARAMS, 1, "late");
	expect(plain, "BEGIN 1 keep\nHEAD 1\nBODY 1 b\nABORT 1\n");
	put_get(1);
	put_empty(FCGI_ABORT_REQUEST, 1);
	put_empty(FCGI_ABORT_REQUEST, 1);
	put_get(1);
	put_empty(FCGI_ABORT_REQUEST, 2);
	expect(plain, GET("1") "ABORT 1\n" GET("1"));
	put_get(1);
	put_empty(FCGI_ABORT_REQUEST, 1);
	expect(prompt, GET("1"));
}

#define ASK_CONNS	"\x0e\0FCGI_MAX_CONNS"
#define ASK_REQS	"\x0d\0FCGI_MAX_REQS"
#define ASK_MPXS	"\x0f\0FCGI_MPXS_CONNS"

static void
put_values(const char *pairs, size_t len)
{
	put_record(FCGI_GET_VALUES, 0, pairs, len, 0);
}

/* F21 */
static void
values_are_answered_once_each(void **state)
{
	static const char all[] = ASK_MPXS ASK_CONNS ASK_REQS;
	size_t		 i;

	(void)state;
	put_values(NULL, 0);
	put_values("\3\4ONEval.\0\0\0\2xx", 13);
	put_values(all, sizeof(all) - 1);
	put_header(FCGI_GET_VALUES, 0, 1000 * (sizeof(all) - 1), 0);
	for (i = 0; i < 1000; i++)
		vector_put(all, sizeof(all) - 1);
	expect(plain,
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x003\\x00\\x00"
	    "\\x0e\\x01FCGI_MAX_CONNS7\\x0d\\x01FCGI_MAX_REQS1"
	    "\\x0f\\x01FCGI_MPXS_CONNS0\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x003\\x00\\x00"
	    "\\x0e\\x01FCGI_MAX_CONNS7\\x0d\\x01FCGI_MAX_REQS1"
	    "\\x0f\\x01FCGI_MPXS_CONNS0\n");
}

/* F21: as HAProxy asks; four-byte lengths, values, near misses, a cut pair. */
static void
values_are_read_in_every_form(void **state)
{
	static const char names[] =
	    "\x80\0\0\x0f\x80\0\0\3FCGI_MPXS_CONNSabc"
	    "\x0d\0FCGI_MAX_REQ$" "\x0e\0FCGI_MAX_REQS_"
	    "\x80\0\1\0\0";
	static const char cut[] = ASK_REQS "\x0f\5FCGI_MPXS_CONNSab";

	(void)state;
	put_header(FCGI_GET_VALUES, 0, sizeof(names) - 1 + 256, 7);
	vector_put(names, sizeof(names) - 1);
	vector_fill('F', 256);
	put_padding(7);
	put_values(cut, sizeof(cut) - 1);
	put_values(cut, sizeof(ASK_REQS) - 2);
	put_values("\x80\0", 2);
	put_values(ASK_REQS, sizeof(ASK_REQS) - 1);
	put_text(FCGI_GET_VALUES, 1, ASK_REQS);
	expect(three,
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x12\\x00\\x00"
	    "\\x0f\\x01FCGI_MPXS_CONNS1\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\"\\x00\\x00"
	    "\\x0d\\x01FCGI_MAX_REQS3\\x0f\\x01FCGI_MPXS_CONNS1\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x10\\x00\\x00"
	    "\\x0d\\x01FCGI_MAX_REQS3\n");
}

/* F21: the largest answers fit and are the exact record. */
static void
values_of_any_size_fit(void **state)
{
	(void)state;
	put_values(ASK_REQS ASK_CONNS ASK_MPXS, 48);
	vector_cuts(&fcgi_ops, &(struct trace_policy){
		.streams = TRACE_STREAMS, .max_conns = UINT32_MAX },
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00<\\x00\\x00"
	    "\\x0e\\x0aFCGI_MAX_CONNS4294967295\\x0d\\x01FCGI_MAX_REQS8"
	    "\\x0f\\x01FCGI_MPXS_CONNS1\n");
}

/* F21: between the records of a request, and behind it. */
static void
values_disturb_no_request(void **state)
{
#define NOTHING	"REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x00\\x00\\x00\n"

	(void)state;
	put_begin(1);
	put_values(NULL, 0);
	put_text(FCGI_PARAMS, 1, "p");
	put_values("a", 1);
	put_text(FCGI_PARAMS, 1, "q");
	put_empty(FCGI_PARAMS, 1);
	put_values("a", 1);
	put_empty(FCGI_STDIN, 1);
	put_values(NULL, 0);
	put_get(1);
	expect(plain,
	    "BEGIN 1 keep\n" NOTHING "PARAMS 1 p\n" NOTHING "PARAMS 1 q\n"
	    "HEAD 1\n" NOTHING "END 1\n" NOTHING GET("1"));
}

/* F21: the last content byte is enough; padding is not waited for. */
static void
values_are_answered_at_once(void **state)
{
	struct trace	 t;

	(void)state;
	put_header(FCGI_GET_VALUES, 0, 15, 8);
	vector_put(ASK_REQS, 15);
	trace_init(&t, &fcgi_ops, &plain);
	vector_feed(&t, 0, vector.len);
	assert_string_equal(trace_text(&t),
	    "REPLY 0 \\x01\\x0a\\x00\\x00\\x00\\x10\\x00\\x00"
	    "\\x0d\\x01FCGI_MAX_REQS1\n");
	trace_fini(&t);
}

/* Unknown management types are answered with their number, content skipped. */
static void
unknown_types_of_id_0_are_answered(void **state)
{
	(void)state;
	put_record(0, 0, "content", 7, 1);
	put_text(FCGI_GET_VALUES_RESULT, 0, "content");
	put_text(FCGI_UNKNOWN_TYPE, 0, "content");
	put_text(12, 0, "content");
	put_empty(255, 0);
	put_get(1);
	expect(plain,
	    "REPLY 0 \\x01\\x0b\\x00\\x00\\x00\\x08\\x00\\x00"
	    "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    "REPLY 0 \\x01\\x0b\\x00\\x00\\x00\\x08\\x00\\x00"
	    "\\x0c\\x00\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    "REPLY 0 \\x01\\x0b\\x00\\x00\\x00\\x08\\x00\\x00"
	    "\\xff\\x00\\x00\\x00\\x00\\x00\\x00\\x00\n"
	    GET("1"));
}

/* F22: what only we send, and what means nothing to a responder. */
static void
other_types_of_an_active_id_are_ignored(void **state)
{
	static const uint8_t types[] = {
		FCGI_END_REQUEST, FCGI_STDOUT, FCGI_STDERR, FCGI_DATA,
		FCGI_GET_VALUES, FCGI_GET_VALUES_RESULT, FCGI_UNKNOWN_TYPE,
		0, 12, 255
	};
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(types); i++) {
		put_begin(1);
		put_text(types[i], 1, "content");
		put_text(FCGI_PARAMS, 1, "p");
		put_empty(FCGI_PARAMS, 1);
		put_record(types[i], 1, "content", 7, 3);
		put_empty(FCGI_STDIN, 1);
		put_empty(types[i], 1);
		expect(plain, GET("1"));
	}
}

/* F23 */
static void
only_bit_0_of_the_flags_counts(void **state)
{
	(void)state;
	put_begin_role(1, FCGI_RESPONDER, 0xff);
	put_empty(FCGI_ABORT_REQUEST, 1);
	put_begin_role(1, FCGI_RESPONDER, 0xfe);
	expect(plain, "BEGIN 1 keep\nABORT 1\nBEGIN 1\n");
}

/* F24, and what is held is not lost. */
static void
pipelined_requests_come_in_order(void **state)
{
	char		 want[50 * sizeof(GET("1"))] = "";
	int		 i;

	(void)state;
	for (i = 0; i < 50; i++) {
		put_get(1);
		strcat(want, GET("1"));
	}
	expect(plain, want);
}

/* A BEGIN behind a whole request waits, whatever it is, and loses nothing. */
static void
begin_behind_a_whole_request_is_held(void **state)
{
	struct proto_dec dec = { .ops = &fcgi_ops, .limits.streams = 1 };
	struct proto_event ev;
	struct proto_str in;
	int		 i;

	(void)state;
	put_get(1);
	put_begin_role(2, FCGI_FILTER, 0);
	in = (struct proto_str){ (char *)vector.bytes, vector.len };
	fcgi_ops.init(&dec, NULL);
	for (i = 0; i < 4; i++)
		fcgi_ops.decode(&dec, &in, &ev);
	for (i = 0; i < 3; i++)
		assert_int_equal(fcgi_ops.decode(&dec, &in, &ev), PROTO_HOLD);
	in.len -= 8;
	assert_int_equal(fcgi_ops.decode(&dec, &in, &ev), PROTO_HOLD);
	fcgi_ops.done(&dec, 1);
	assert_int_equal(fcgi_ops.decode(&dec, &in, &ev), PROTO_NEED);
	in.len = 8;
	assert_int_equal(fcgi_ops.decode(&dec, &in, &ev), PROTO_REFUSE);
	assert_int_equal(ev.id, 2);
	vector.len = 0;
	put_get(1);
	put_filled(FCGI_BEGIN_REQUEST, 1, 3);
	expect(plain, GET("1") "ERROR 1 0\n");
}

/* F34 */
static void
any_id_is_served_and_served_again(void **state)
{
	static const uint16_t ids[] = { 65535, 32767, 1, 3, 5, 5, 256 };
	size_t		 i;

	(void)state;
	for (i = 0; i < 7; i++)
		put_get(ids[i]);
	expect(prompt, GET("65535") GET("32767") GET("1") GET("3") GET("5")
	    GET("5") GET("256"));
}

/* The operator is told which setting the refused streams are about. */
static void
refusals_name_their_setting(void **state)
{
	struct trace	 t;
	uint16_t	 n;

	(void)state;
	for (n = 1; n <= 2; n++) {
		trace_init(&t, &fcgi_ops,
		    &(struct trace_policy){ .streams = n });
		put_begin(1);
		put_begin(2);
		put_begin(3);
		vector_feed(&t, 0, vector.len);
		assert_non_null(strstr(t.why, "fastcgi_multiplex"));
		assert_non_null(strstr(t.why, "mpxs-conns"));
		trace_fini(&t);
		vector.len = 0;
	}
}

/* With several streams the caller could not tell whose bytes they are. */
static void
body_left_is_for_one_stream(void **state)
{
	struct trace	 t;

	(void)state;
	put_begin(1);
	put_empty(FCGI_PARAMS, 1);
	put_header(FCGI_STDIN, 1, 9, 0);
	trace_init(&t, &fcgi_ops, &three);
	vector_feed(&t, 0, vector.len);
	assert_int_equal(fcgi_ops.body_left(&t.dec), 0);
	trace_fini(&t);
}

/* Copy a block against the unreadable page, then take its pairs. */
static int
pairs(const char *block, size_t len, struct proto_str *name,
    struct proto_str *value)
{
	struct proto_str rest = { NULL, len };
	int		 n = 0, got;

	if (vector.end == NULL)
		vector_map();
	memcpy(vector.end - len, block, len);
	rest.p = (const char *)vector.end - len;
	while ((got = fcgi_ops.pair(&rest, name, value)) == 1) {
		assert_ptr_equal(rest.p + rest.len, vector.end);
		n++;
	}
	return got == 0 ? n : -1;
}

/* F17, F18, F19: lengths of both forms, empty halves, any bytes. */
static void
pairs_are_sliced_from_the_block(void **state)
{
	struct proto_str name, value;

	(void)state;
	assert_int_equal(pairs("", 0, &name, &value), 0);
	assert_int_equal(pairs("\0\0", 2, &name, &value), 1);
	assert_int_equal(pairs("\1\0N\0\1V", 6, &name, &value), 2);
	assert_int_equal(name.len, 0);
	assert_int_equal(value.len, 1);
	assert_int_equal(pairs("\2\3N\xffV\0\n", 7, &name, &value), 1);
	assert_memory_equal(name.p, "N\xff", 2);
	assert_memory_equal(value.p, "V\0\n", 3);
	assert_int_equal(pairs("\x80\0\0\5\x80\0\0\2NAME1vv", 15, &name,
	    &value), 1);
	assert_int_equal(name.len, 5);
	assert_memory_equal(name.p, "NAME1", 5);
	assert_int_equal(value.len, 2);
	assert_memory_equal(value.p, "vv", 2);
}

/* F16, and every way in which the end of a block cuts a pair off. */
static void
cut_pairs_are_malformed(void **state)
{
	static const char whole[] = "\x80\0\0\2\x80\0\0\3NNVVV";
	static const char *const huge[] = {
		"\x80\0\0\0\xff\xff\xff\xff", "\xff\xff\xff\xff\1xxx",
		"\xff\xff\xff\xff\xff\xff\xff\xff", "\1\xff\xff\xff\xffxxx"
	};
	struct proto_str name, value;
	size_t		 i;

	(void)state;
	for (i = 1; i < sizeof(whole) - 1; i++)
		assert_int_equal(pairs(whole, i, &name, &value), -1);
	assert_int_equal(pairs(whole, i, &name, &value), 1);
	for (i = 0; i < 4; i++)
		assert_int_equal(pairs(huge[i], 8, &name, &value), -1);
	/* nameLen 0x80000000 is 0 in the four-byte form: not a length at all */
	assert_int_equal(pairs("\x80\0\0\0\1v", 6, &name, &value), 1);
	assert_int_equal(name.len, 0);
}

static void
frame_and_end_are_the_records_of_the_specification(void **state)
{
	uint8_t		 out[PROTO_END_MAX];

	(void)state;
	assert_int_equal(fcgi_ops.frame(out, 0x1234, 0xfedc), 8);
	assert_memory_equal(out, "\1\6\x12\x34\xfe\xdc\0\0", 8);
	assert_int_equal(fcgi_ops.end(out, 0x1234, 0x01020304,
	    FCGI_OVERLOADED), 24);
	assert_memory_equal(out, "\1\6\x12\x34\0\0\0\0"
	    "\1\3\x12\x34\0\x8\0\0" "\1\2\3\4\2\0\0\0", 24);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_is_the_same_at_every_cut),
		TEST(largest_records_are_taken),
		TEST(padding_is_skipped_whatever_it_looks_like),
		TEST(other_version_is_an_error),
		TEST(another_protocol_is_an_error),
		TEST(begin_of_another_length_is_an_error),
		TEST(other_roles_are_refused),
		TEST(request_records_of_id_0_are_errors),
		TEST(begin_of_an_active_id_is_an_error),
		TEST(second_id_is_refused_and_the_first_untouched),
		TEST(streams_interleave_up_to_their_number),
		TEST(records_of_inactive_ids_are_skipped),
		TEST(id_is_free_after_an_early_answer),
		TEST(rest_of_an_answered_record_is_skipped),
		TEST(empty_params_end_them_once),
		TEST(stream_out_of_order_is_an_error),
		TEST(abort_is_reported_once_for_an_active_id),
		TEST(values_are_answered_once_each),
		TEST(values_are_read_in_every_form),
		TEST(values_of_any_size_fit),
		TEST(values_disturb_no_request),
		TEST(values_are_answered_at_once),
		TEST(unknown_types_of_id_0_are_answered),
		TEST(other_types_of_an_active_id_are_ignored),
		TEST(only_bit_0_of_the_flags_counts),
		TEST(pipelined_requests_come_in_order),
		TEST(begin_behind_a_whole_request_is_held),
		TEST(any_id_is_served_and_served_again),
		TEST(refusals_name_their_setting),
		TEST(body_left_is_for_one_stream),
		TEST(pairs_are_sliced_from_the_block),
		TEST(cut_pairs_are_malformed),
		TEST(frame_and_end_are_the_records_of_the_specification),
	};

	return cmocka_run_group_tests_name("fcgi", tests, NULL, NULL);
}
