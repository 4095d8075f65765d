/* SPDX-License-Identifier: MIT */
/* The interned strings, made in one loop. */
#include "python/py_str.h"

struct py_strings py_str;

static const struct {
	PyObject	**at;
	const char	 *text;
} py_str_table[] = {
#define STRING(name, text)	{ &py_str.name, text },
	PY_STRINGS(STRING)
#undef STRING
};

int
py_str_init(void)
{
	size_t i;

	for (i = 0; i < nitems(py_str_table); i++) {
		*py_str_table[i].at =
		    PyUnicode_InternFromString(py_str_table[i].text);
		if (*py_str_table[i].at == NULL)
			return -1;
	}
	return 0;
}
