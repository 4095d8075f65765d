/* SPDX-License-Identifier: MIT */
/* Compiler attributes, by the names the code uses. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define PRINTFLIKE(fmt, args)	__attribute__((format(printf, fmt, args)))
#define MUSTCHECK		__attribute__((warn_unused_result))
#define NORETURN		__attribute__((noreturn))
#define UNUSED			__attribute__((unused))
#define MALLOCLIKE		__attribute__((malloc))

#define nitems(a)		(sizeof(a) / sizeof((a)[0]))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)

#endif
