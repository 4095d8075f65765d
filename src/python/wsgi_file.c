/* SPDX-License-Identifier: MIT */
/*
 * wsgi.file_wrapper: an iterator over anything with read(), and where that is
 * a plain file of the io module, a descriptor for sendfile.
 */
#include "python/py.h"

#include <sys/stat.h>

#include <structmember.h>

#include "python/py_str.h"
#include "python/wsgi_file.h"

#define FILE_BLOCK	8192

struct file {
	PyObject_HEAD
	PyObject	*filelike;
	PyObject	*blksize;	/* argument of read() */
};

static struct {
	PyTypeObject	*type;
	PyObject	*fileio, *buffered;	/* FileIO, BufferedReader */
} files;

static int
file_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "filelike", "blksize", NULL };
	struct file *f = (struct file *)self;
	PyObject *filelike, *size;
	Py_ssize_t n = FILE_BLOCK;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n:file_wrapper",
	    (char **)(uintptr_t)names, &filelike, &n) ||
	    (size = PyLong_FromSsize_t(n > 0 ? n : FILE_BLOCK)) == NULL)
		return -1;
	Py_INCREF(filelike);
	Py_XSETREF(f->filelike, filelike);
	Py_XSETREF(f->blksize, size);
	return 0;
}

static int
file_is_open(const struct file *f)
{
	if (f->filelike == NULL)
		PyErr_SetString(PyExc_ValueError, "file_wrapper without file");
	return f->filelike != NULL;
}

static PyObject *
file_next(PyObject *self)
{
	struct file *f = (struct file *)self;
	PyObject *block;
	int more;

	if (!file_is_open(f) || (block = PyObject_CallMethodOneArg(f->filelike,
	    py_str.read, f->blksize)) == NULL)
		return NULL;
	if ((more = PyObject_IsTrue(block)) <= 0)
		Py_CLEAR(block);
	return block;
}

static PyObject *
file_close(PyObject *self, PyObject *none UNUSED)
{
	struct file *f = (struct file *)self;
	PyObject *close;

	if (!file_is_open(f))
		return NULL;
	if ((close = PyObject_GetAttr(f->filelike, py_str.close)) == NULL) {
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			return NULL;
		PyErr_Clear();
		Py_RETURN_NONE;
	}
	Py_SETREF(close, PyObject_CallNoArgs(close));
	return close;
}

static int
file_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct file *f = (struct file *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(f->filelike);
	return 0;
}

static int
file_clear(PyObject *self)
{
	Py_CLEAR(((struct file *)self)->filelike);
	return 0;
}

static void
file_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	file_clear(self);
	Py_CLEAR(((struct file *)self)->blksize);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef file_methods[] = {
	{ "close", file_close, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyMemberDef file_members[] = {
	{ "filelike", T_OBJECT, offsetof(struct file, filelike), READONLY,
	    NULL },
	{ "blksize", T_OBJECT, offsetof(struct file, blksize), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyType_Slot file_slots[] = {
	{ Py_tp_init, file_init },
	{ Py_tp_dealloc, file_dealloc },
	{ Py_tp_traverse, file_traverse },
	{ Py_tp_clear, file_clear },
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, file_next },
	{ Py_tp_methods, file_methods },
	{ Py_tp_members, file_members },
	{ 0, NULL }
};

static PyType_Spec file_spec = {
	.name = "saola.file_wrapper",
	.basicsize = sizeof(struct file),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
	    Py_TPFLAGS_BASETYPE,
	.slots = file_slots
};

int
wsgi_file_init(void)
{
	PyObject *io = PyImport_ImportModule("io");

	if (io == NULL)
		return -1;
	files.fileio = PyObject_GetAttrString(io, "FileIO");
	files.buffered = PyObject_GetAttrString(io, "BufferedReader");
	files.type = (PyTypeObject *)PyType_FromSpec(&file_spec);
	Py_DECREF(io);
	return files.fileio == NULL || files.buffered == NULL ||
	    files.type == NULL ? -1 : 0;
}

PyObject *
wsgi_file_type(void)
{
	return (PyObject *)files.type;
}

/*
 * Exactly the files of open(path, "rb"): a subclass or an object that only
 * passes fileno() on (gzip) may read other bytes than the descriptor has.
 */
static bool
file_is_of_io(PyObject *filelike)
{
	PyObject *raw;
	bool is;

	if ((PyObject *)Py_TYPE(filelike) == files.fileio)
		return true;
	if ((PyObject *)Py_TYPE(filelike) != files.buffered ||
	    (raw = PyObject_GetAttr(filelike, py_str.raw)) == NULL)
		return false;
	is = (PyObject *)Py_TYPE(raw) == files.fileio;
	Py_DECREF(raw);
	return is;
}

/* What a method without arguments returns as a number, -1 if it fails. */
static int64_t
file_ask(PyObject *filelike, PyObject *name)
{
	PyObject *o = PyObject_CallMethodNoArgs(filelike, name);
	int64_t n = -1;

	if (o != NULL)
		n = PyLong_AsLongLong(o);
	Py_XDECREF(o);
	return n;
}

/* The position is Python's: a buffered reader is ahead with the descriptor. */
static bool
file_find(PyObject *filelike, int *fd, int64_t *at, uint64_t *left)
{
	struct stat st;

	if (!file_is_of_io(filelike) ||
	    (*fd = (int)file_ask(filelike, py_str.fileno)) < 0 ||
	    fstat(*fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (*at = file_ask(filelike, py_str.tell)) < 0)
		return false;
	*left = st.st_size > *at ? (uint64_t)(st.st_size - *at) : 0;
	return true;
}

bool
wsgi_file_is_plain(PyObject *o, int *fd, int64_t *at, uint64_t *left)
{
	struct file *f = (struct file *)o;

	if (!Py_IS_TYPE(o, files.type) || f->filelike == NULL)
		return false;
	if (file_find(f->filelike, fd, at, left))
		return true;
	PyErr_Clear();
	return false;
}
