/*
 * A guestbook: a dynamic page with its state in memory, to show what an HTTP handler is.
 *
 *	kiln run appliance/guestbook --port 80
 *
 * GET / is the page, POST /sign adds an entry and sends the browser back to it. The newest
 * entries are kept, in a ring of fixed size, until the image stops.
 */
#include <kiln/appliance.h>
#include <kiln/http.h>

KILN_NET(net0, "serves the guestbook");
KILN_PARAM_PORT(port, 80, "TCP port to listen on");
KILN_EMBED(page, "page"); /* what stands above the entries */

/* In bytes: three for a character of the form, six for each of these in HTML (&quot;). */
enum { ENTRIES = 100, NAME_SIZE = 3 * 20, TEXT_SIZE = 3 * 160 };
enum { ITEM_SIZE = 6 * (NAME_SIZE + TEXT_SIZE) + 64 };

struct entry {
	uint8_t name[NAME_SIZE], text[TEXT_SIZE];
	size_t name_len, text_len;
};

struct guestbook {
	uint64_t count; /* of all there ever were; entry n is in ring[n % ENTRIES] */
	struct entry ring[ENTRIES];
};

/* The page is written as the connection takes it: this is called whenever there is room.
 * scratch[0] counts down from the newest entry to scratch[1], the oldest that was there.
 */
static void write_items(struct http_exchange *x, void *user)
{
	const struct guestbook *book = user;

	while (x->scratch[0] > x->scratch[1] && http_room(x) >= ITEM_SIZE) {
		const struct entry *e = &book->ring[--x->scratch[0] % ENTRIES];
		uint8_t item[ITEM_SIZE];
		struct writer w = writer_of(item, sizeof(item));

		writer_text(&w, "<dt>");
		http_escape_html(&w, slice_of(e->name, e->name_len));
		writer_text(&w, "<dd>");
		http_escape_html(&w, slice_of(e->text, e->text_len));
		writer_text(&w, "\n");
		http_write(x, writer_done(&w));
	}
	if (x->scratch[0] == x->scratch[1])
		http_end(x);
}

/* The form has arrived: a new entry takes the place of the oldest one. */
static void sign(struct http_exchange *x, struct slice form, void *user)
{
	struct guestbook *book = user;
	struct entry e;
	struct writer name = writer_of(e.name, NAME_SIZE);
	struct writer text = writer_of(e.text, TEXT_SIZE);

	if (!http_form_value(form, "name", &name) ||
	    !http_form_value(form, "text", &text)) {
		http_error(x, 400);
		return;
	}
	e.name_len = writer_done(&name).len;
	e.text_len = writer_done(&text).len;
	book->ring[book->count++ % ENTRIES] = e;
	http_redirect(x, 303, SLICE("/"));
}

static const struct http_events page_events = {.writable = write_items};

static void handle(struct http_exchange *x, const void *context)
{
	struct guestbook *book = *(struct guestbook *const *)context;

	if (slice_equal(x->path, SLICE("/sign")) && x->method == HTTP_POST) {
		http_collect(x, sign, book);
	} else if (!slice_equal(x->path, SLICE("/"))) {
		http_error(x, 404);
	} else if (x->method == HTTP_GET || x->method == HTTP_HEAD) {
		x->scratch[0] = book->count;
		x->scratch[1] = book->count > ENTRIES ? book->count - ENTRIES : 0;
		http_on(x, &page_events, book);
		http_start(x, 200, "text/html; charset=utf-8", HTTP_UNKNOWN);
		http_write_static(x, embed_find(&page, SLICE("top.html"))->content);
	} else {
		http_allow(x, "GET, HEAD, OPTIONS");
	}
}

int appliance(struct kiln *k)
{
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct guestbook *book = kiln_alloc(k, sizeof(*book), "the guestbook");

	return http_serve(tcp, port, handle, &book);
}
