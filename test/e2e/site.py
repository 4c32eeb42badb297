"""The guide, served by a sealed image to a real browser: Debian's Chromium, headless, by its
driver, in the test's network namespace. Ubuntu's is a snap, which cannot be started there: the
links are followed without it, and the rest is skipped."""

import functools
import html.parser
import json
import os
import shutil
import tempfile
import urllib.parse

import worlds
from harness import LOGS, Failed, Skip, check, check_equal, make_site

LONG = True
WORLDS = [world for world in worlds.WORLDS if world.target != "host"]

# What browsers ask for brotli without https: names below localhost.
HOST = "kiln.localhost"
BASE = f"http://{HOST}/"
OUTSIDE = "https://www.rfc-editor.org/"
LONG_ENOUGH = 1000  # bytes of a text that are surely worth to be compressed


@functools.cache
def folder():
    return make_site()


def start(world):
    return world.start(world.build("web", "--site", folder())).wait_up()


def paths():
    """Of every file of the site, as a URL has it."""
    return sorted(os.path.relpath(os.path.join(top, name), folder())
                  for top, _, names in os.walk(folder()) for name in names)


def page_paths():
    return [path for path in paths() if path.endswith(".html") and path != "404.html"]


# ---- links ----

class Links(html.parser.HTMLParser):
    """What a page refers to, and what in it can be referred to."""

    def __init__(self, base, text):
        super().__init__()
        self.base, self.links, self.ids = base, [], []
        self.feed(text)

    def handle_starttag(self, _, attributes):
        for name, value in attributes:
            if name in ("href", "src", "data"):
                self.links.append(urllib.parse.urljoin(self.base, value))
            elif name == "id":
                self.ids.append(value)


def check_links(pages):
    """`pages`: (links, ids) by path. Each link leads to a file of the site, and its fragment to
    an element there; no id is twice on a page; every page is led to."""
    files, reached = set(paths()), {"index.html"}
    for path, (links, ids) in pages.items():
        check_equal(len(ids), len(set(ids)), f"ids that are twice on {path}")
        for link in links:
            if link.startswith(OUTSIDE):
                continue
            check(link.startswith(BASE), f"{path} links to {link}")
            target, _, fragment = link.removeprefix(BASE).partition("#")
            if target == "" or target.endswith("/"):
                target += "index.html"
            check(target in files, f"{path} links to {target}, which is not there")
            check(not fragment or urllib.parse.unquote(fragment) in pages[target][1],
                  f"{path} links to #{fragment} of {target}, which is not there")
            reached.add(target)
    check_equal(sorted(set(page_paths()) - reached), [], "pages that no link leads to")


def test_links(world):
    """every link leads to a page of the site and every fragment to a place in it"""
    with start(world) as web:
        pages = {}
        for path in page_paths():
            parsed = Links(BASE + path, web.fetch("/" + path).decode())
            pages[path] = parsed.links, parsed.ids
        check_links(pages)


test_links.worlds = ["jail"]


# ---- in the browser ----

# Elements with text of their own whose contrast is too low (WCAG 2.2, 1.4.3: 4.5).
CONTRAST = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const linear = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const ground = e => {
	for (; e; e = e.parentElement) {
		const c = rgb(getComputedStyle(e).backgroundColor);
		if (c.length === 3 || c[3] === 1) return c;
	}
	return [255, 255, 255];
};
const bad = new Set();
for (const e of document.querySelectorAll('body *')) {
	if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
	const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
	const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
	if (ratio < 4.5) bad.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
}
return [...bad];
"""

FACTS = """
const all = selector => [...document.querySelectorAll(selector)];
return {
	links: all('[href]').map(e => e.href.baseVal ?? e.href)
		.concat(all('[src]').map(e => e.src), all('object').map(e => e.data)),
	ids: all('[id]').map(e => e.id),
	headings: all('main :is(h1, h2, h3, h4)').map(e => +e.tagName[1]),
	lang: document.documentElement.lang,
	title: document.title,
	unnamed: all('img:not([alt])').length,
	broken: all('img').filter(e => !e.complete || !e.naturalWidth).map(e => e.src),
	scripts: document.scripts.length,
	size: document.body.innerText.length,
};
"""


class Browser:
    """Chromium, driven; in the network namespace of whoever starts it."""

    def __init__(self):
        try:
            from selenium import webdriver
        except ImportError:
            webdriver = None
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not (webdriver and chromium and driver) or "/snap/" in os.path.realpath(chromium):
            if is_debian():
                raise Failed("chromium, chromium-driver and python3-selenium belong here")
            raise Skip("Chromium is no package of this system's")
        self.folder = tempfile.mkdtemp(prefix="kiln-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        # Root's, so without its own sandbox; /dev/shm may be small.
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                         "--disable-dev-shm-usage", "--disable-background-networking",
                         "--disable-component-update", f"--user-data-dir={self.folder}",
                         f"--host-resolver-rules=MAP {HOST} {worlds.ADDRESS}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        log = os.path.join(LOGS, "chromedriver.log")
        from selenium.webdriver.chrome.service import Service
        self.driver = webdriver.Chrome(options=options,
                                       service=Service(driver, log_path=log))
        self.driver.set_page_load_timeout(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def width(self, pixels):
        self.command("Emulation.setDeviceMetricsOverride", width=pixels, height=900,
                     deviceScaleFactor=1, mobile=False)

    def load(self, path):
        """Loads a page; what came for it: status and headers by URL. Nothing may fail."""
        self.driver.get_log("performance")
        self.driver.get(BASE + path)
        asked, came = {}, {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            what, facts = message["method"], message["params"]
            if what == "Network.requestWillBeSent":
                asked[facts["requestId"]] = facts["request"]["url"]
            elif what == "Network.loadingFailed" and facts["requestId"] in asked:
                raise Failed(f"{path}: {asked[facts['requestId']]}: {facts['errorText']}")
            elif what == "Network.responseReceived":
                headers = {k.lower(): v for k, v in facts["response"]["headers"].items()}
                came[facts["response"]["url"]] = facts["response"]["status"], headers
        return came


def is_debian():
    with open("/etc/os-release", encoding="utf-8") as file:
        return "ID=debian\n" in file.readlines()


def check_responses(path, came):
    """All is there, and texts are in brotli."""
    for url, (status, headers) in came.items():
        if not url.startswith(BASE):
            continue  # the browser's own
        check(status in (200, 304), f"{path}: {url} is answered {status}")
        size = os.path.getsize(os.path.join(folder(), url.removeprefix(BASE)))
        if url.endswith((".html", ".css", ".svg")) and size >= LONG_ENOUGH and status == 200:
            check_equal(headers.get("content-encoding"), "br", f"coding of {url}")


def check_facts(path, facts):
    """What makes a page readable for everyone."""
    check_equal(facts["lang"], "en", f"language of {path}")
    check("Kiln" in facts["title"], f"title of {path}: {facts['title']}")
    check(facts["size"] > 200, f"{path} is empty")
    check_equal(facts["unnamed"], 0, f"pictures without alt on {path}")
    check_equal(facts["broken"], [], f"pictures that are not shown on {path}")
    check_equal(facts["scripts"], 0, f"scripts on {path}")
    levels = facts["headings"]
    check(levels[:1] == [1] and levels.count(1) == 1, f"headings of {path}: {levels}")
    check(all(b <= a + 1 for a, b in zip(levels, levels[1:])), f"headings of {path}: {levels}")


def check_console(browser, path):
    said = [entry["message"] for entry in browser.driver.get_log("browser")]
    check_equal(said, [], f"console of {path}")


def test_browser(world):
    """Chromium loads every page without an error: no failed request, no broken link, in brotli"""
    with start(world) as web, web.net, Browser() as browser:
        pages = {}
        for path in page_paths():
            browser.width(1300)
            came = browser.load(path)
            check(BASE + path in came, f"{path} did not come")
            check_responses(path, came)
            facts = browser.driver.execute_script(FACTS)
            check_facts(path, facts)
            pages[path] = facts["links"], facts["ids"]
            for width in 1300, 360:
                browser.width(width)
                over = browser.driver.execute_script(
                    "return document.documentElement.scrollWidth - innerWidth")
                check(over <= 0, f"{path} is {over} pixels wider than a screen of {width}")
            check_console(browser, path)
        check_links(pages)


def test_contrast(world):
    """text can be read, by day and by night"""
    with start(world) as web, web.net, Browser() as browser:
        for scheme in "light", "dark":
            browser.command("Emulation.setEmulatedMedia",
                            features=[{"name": "prefers-color-scheme", "value": scheme}])
            for path in "index.html", "http.html", "reference/http.html", "reference/slice.html":
                browser.load(path)
                check_equal(browser.driver.execute_script(CONTRAST), [], f"{path}, {scheme}")


test_contrast.worlds = ["jail"]


def test_missing_page(world):
    """a page that is not there is answered by the site's own, which leads back"""
    with start(world) as web, web.net, Browser() as browser:
        came = browser.load("no/such/page")
        check_equal(came[BASE + "no/such/page"][0], 404, "status")
        check_equal(came[BASE + "style.css"][0], 200, "its style")
        links = browser.driver.execute_script(FACTS)["links"]
        check(BASE + "index.html" in links, "a link to the front page")


test_missing_page.worlds = ["jail"]
