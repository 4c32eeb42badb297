/*
 * `kiln new`: a folder with a small appliance that builds and runs as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "tool.h"

static const char main_c[] =
    "/*\n"
    " * %s: answers every request with a page from the folder site/.\n"
    " */\n"
    "#include <kiln/appliance.h>\n"
    "#include <kiln/http.h>\n"
    "\n"
    "KILN_NET(net0, \"serves the pages\");\n"
    "KILN_PARAM_PORT(port, 80, \"TCP port to listen on\");\n"
    "KILN_EMBED(site, \"site\");\n"
    "\n"
    "int appliance(struct kiln *k)\n"
    "{\n"
    "\tstruct net *net = net_up(k, &net0);\n"
    "\tstruct tcp *tcp = tcp_new(net);\n"
    "\n"
    "\treturn http_serve(tcp, port, http_files, &site);\n"
    "}\n";

static const char index_html[] = "<!doctype html>\n"
                                 "<html lang=\"en\">\n"
                                 "<meta charset=\"utf-8\">\n"
                                 "<title>%s</title>\n"
                                 "<h1>%s</h1>\n"
                                 "<p>This page is part of the image that serves it.</p>\n"
                                 "</html>\n";

int command_new(int argc, char **argv)
{
	const char *folder, *name;
	struct text text = {0};

	if (argc != 2 || argv[1][0] == '-')
		fail_usage("kiln new takes the name of a folder to make: kiln new NAME");
	folder = argv[1];
	name = path_base(folder);
	if (!*name ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                 "0123456789_.-") != strlen(name) ||
	    name[0] == '.')
		fail_usage("'%s' does not serve as a name: use letters, digits, '_', '.' "
		           "and '-'",
		           name);
	if (mkdir(folder, 0777) < 0)
		fail("cannot make the folder %s: %s", folder, strerror(errno));
	folder_make(text_format("%s/site", folder));
	text_add(&text, main_c, name);
	file_write(text_format("%s/main.c", folder), text.data, text.len);
	text = (struct text){0};
	text_add(&text, index_html, name, name);
	file_write(text_format("%s/site/index.html", folder), text.data, text.len);
	printf("made %s/main.c and %s/site/index.html; next:\n"
	       "  kiln run %s -t host --port 8080\n"
	       "  kiln build %s -t jail\n",
	       folder, folder, folder, folder);
	return 0;
}
