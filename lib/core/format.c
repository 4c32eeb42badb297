/*
 * printf into a writer: the subset that images need, in a tenth of the C library's size.
 *
 * Takes %d %i %u %x %X %c %s %p %%, flags 0 and -, width and precision (also *), lengths
 * l, ll and z. The text is written as a whole or, when it does not fit, not at all.
 */
#include <stdarg.h>
#include <kiln/bytes.h>
#include <kiln/slice.h>

struct spec {
	bool left, zero, has_precision;
	size_t width, precision;
};

static void pad(struct writer *w, char c, size_t from, size_t to)
{
	for (; from < to; from++)
		writer_u8(w, (uint8_t)c);
}

/* sign is "" or "-" or "0x". */
static void put_field(struct writer *w, const struct spec *spec, const char *sign,
                      struct slice body, char fill)
{
	size_t size = strlen(sign) + body.len;

	if (!spec->left && fill == ' ')
		pad(w, ' ', size, spec->width);
	writer_text(w, sign);
	if (!spec->left && fill == '0')
		pad(w, '0', size, spec->width);
	writer_bytes(w, body);
	if (spec->left)
		pad(w, ' ', size, spec->width);
}

static void put_number(struct writer *w, const struct spec *spec, const char *sign,
                       uint64_t value, unsigned base, const char *digits)
{
	uint8_t text[64];
	size_t at = sizeof(text);

	do {
		text[--at] = (uint8_t)digits[value % base];
		value /= base;
	} while (value);
	while (spec->has_precision && sizeof(text) - at < spec->precision && at > 0)
		text[--at] = '0';
	put_field(w, spec, sign, slice_of(text + at, sizeof(text) - at),
	          spec->zero && !spec->has_precision ? '0' : ' ');
}

static size_t read_size(const char **format, va_list *args)
{
	size_t n = 0;

	if (**format == '*') {
		int value = va_arg(*args, int);
		(*format)++;
		return value > 0 ? (size_t)value : 0;
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		n = KILN_MIN(n * 10 + (size_t)(**format - '0'), (size_t)4096);
	return n;
}

static void put_text(struct writer *w, const struct spec *spec, const char *text)
{
	size_t len = 0;

	if (!text)
		text = "(null)";
	while ((!spec->has_precision || len < spec->precision) && text[len])
		len++;
	put_field(w, spec, "", slice_of(text, len), ' ');
}

/* Reads one conversion behind its '%' and writes it. */
static const char *put_conversion(struct writer *w, const char *format, va_list *args)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	struct spec spec = {0};
	unsigned longs = 0;
	int64_t value;

	for (; *format == '0' || *format == '-'; format++) {
		spec.zero |= *format == '0';
		spec.left |= *format == '-';
	}
	spec.width = read_size(&format, args);
	if (*format == '.') {
		format++;
		spec.has_precision = true;
		spec.precision = read_size(&format, args);
	}
	for (; *format == 'l' || *format == 'z'; format++)
		longs++;

	switch (*format) {
	case 'd':
	case 'i':
		value = longs ? va_arg(*args, int64_t) : va_arg(*args, int);
		put_number(w, &spec, value < 0 ? "-" : "",
		           value < 0 ? -(uint64_t)value : (uint64_t)value, 10, lower);
		break;
	case 'u':
	case 'x':
	case 'X':
		put_number(w, &spec, "",
		           longs ? va_arg(*args, uint64_t) : va_arg(*args, unsigned),
		           *format == 'u' ? 10 : 16, *format == 'X' ? upper : lower);
		break;
	case 'p':
		put_number(w, &spec, "0x", (uintptr_t)va_arg(*args, void *), 16, lower);
		break;
	case 'c':
		put_field(w, &spec, "",
		          slice_of(&(uint8_t){(uint8_t)va_arg(*args, int)}, 1), ' ');
		break;
	case 's':
		put_text(w, &spec, va_arg(*args, const char *));
		break;
	case '%':
		writer_u8(w, '%');
		break;
	default:
		/* An unknown conversion is a mistake in a literal: make it visible. */
		writer_text(w, "%?");
		if (*format == '\0')
			return format;
	}
	return format + 1;
}

void writer_vformat(struct writer *w, const char *format, va_list args)
{
	size_t start = w->at;
	bool failed = w->failed;
	va_list copy;

	va_copy(copy, args);
	while (*format) {
		size_t plain = 0;
		while (format[plain] && format[plain] != '%')
			plain++;
		writer_bytes(w, slice_of(format, plain));
		format += plain;
		if (*format == '%')
			format = put_conversion(w, format + 1, &copy);
	}
	va_end(copy);
	if (w->failed && !failed)
		w->at = start;
}

void writer_format(struct writer *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	writer_vformat(w, format, args);
	va_end(args);
}
