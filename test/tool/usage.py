"""The command line as it is written down: kiln help, the shells' completion, kiln(1)."""

import os
import re
import shutil
import subprocess
import tempfile

from harness import KILN, ROOT, STATE, check, check_equal, run

MANUAL = os.path.join(ROOT, "doc/kiln.1")
BASH = os.path.join(ROOT, "tool/completion/kiln.bash")
ZSH = os.path.join(ROOT, "tool/completion/_kiln")
PATH = f"{os.path.dirname(KILN)}:{os.environ['PATH']}"


def commands():
    table = run(KILN, "help").stdout.partition("\n\n")[2].partition("\n\n")[0]
    return re.findall(r"^kiln (\w+) ", table, re.M)


def options(command):
    """Of a command, as its help lists them."""
    return set(re.findall(r"^  (--?[\w-]+)", run(KILN, "help", command).stdout, re.M))


def complete(*words):
    """What kiln complete offers for the last of the words, without what it is."""
    return [line.partition("\t")[0] for line in run(KILN, "complete", *words).stdout.splitlines()]


# ---- the table itself ----

def test_rows(_):
    """every line of the help fits a terminal, and every option says what it does"""
    for command in commands():
        for line in run(KILN, "help", command).stdout.splitlines():
            check(len(line) <= 90, f"kiln help {command}: {line}")
            check(not re.fullmatch(r"  --?[\w-]+( \S+)?", line) or "=" in line or len(line) > 22,
                  f"kiln help {command}: '{line}' says nothing")


def test_options_are_taken(_):
    """every option of the help is one that the command knows"""
    for command in commands():
        if command in ("help", "demo", "new", "test", "bench"):
            continue
        for option in options(command) - {"--KEY", "--EMBED"}:
            done = run(KILN, command, option, "1", "/nothing", check_status=False)
            check("does not know" not in done.stderr, f"kiln {command} {option}: {done.stderr}")


# ---- completion ----

def test_complete(_):
    """kiln complete offers commands, options, targets, values and suites"""
    check_equal(complete(""), commands(), "commands")
    check_equal(complete("ru"), ["run"], "a command")
    check_equal(complete("run", "-t", ""), ["host", "sim", "jail", "vm"], "targets")
    check_equal(complete("run", "--monitor", "q"), ["qemu"], "a word")
    check_equal(complete("run", "--log=d"), ["--log=debug"], "behind '='")
    check_equal(complete("help", "bu"), ["build"], "help")
    check_equal(complete("build", ""), ["@folder"], "a folder")
    check_equal(complete("run", ""), ["@folder", "@file"], "a folder or an image")
    check_equal(complete("build", "-o", ""), ["@file"], "a file")
    check("unit" in complete("test", "") and "e2e" in complete("test", ""), "suites")
    check_equal(complete("nonsense", ""), [], "an unknown command")
    check_equal(complete("run", "--cpu", ""), [], "a number")
    for command in commands():
        offered = {o for o in complete(command, "-") if o[0] == "-"}
        check_equal(offered, {o for o in options(command) if o not in ("--KEY", "--EMBED")},
                    f"options of {command}")


def test_complete_parameters(_):
    """it offers the parameters of the image, or of the folder that was built, that are named"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as top:
        folder = os.path.join(top, "params")
        os.mkdir(folder)
        with open(os.path.join(folder, "params.c"), "w") as file:
            file.write('#include <kiln/appliance.h>\n#include <kiln/embed.h>\n'
                       'KILN_PARAM_BOOL(loud, no, "x");\nKILN_PARAM_PORT(door, 80, "x");\n'
                       'KILN_EMBED(things, ".");\n'
                       'int appliance(struct kiln *k) { return loud + (int)things.count; }\n')
        built = os.path.join(STATE, "params")
        shutil.rmtree(built, ignore_errors=True)
        check("--loud" not in complete("run", folder, "--"), "not built")
        image = os.path.join(top, "image")
        run(KILN, "build", folder, "-t", "jail", "-o", image)
        run(KILN, "build", folder, "-t", "jail", "-o", image + "2", "--door", "81")
        for words in ("run", folder), ("run", image), ("run", "-t", "jail", folder):
            check({"--loud", "--door"} <= set(complete(*words, "--")), words)
        check("--door" not in complete("run", image + "2", "--"), "a fixed parameter")
        check("--things" in complete("build", folder, "--"), "a folder to embed")
        check("--things" not in complete("run", folder, "--"), "a folder to embed, at run")
        check_equal(complete("build", folder, "--things", ""), ["@folder"], "which folder")
        check_equal(complete("run", image, "--loud", ""), ["yes", "no"], "a yes or no")
        check_equal(complete("run", image, "--loud=n"), ["--loud=no"], "behind '='")
        shutil.rmtree(built)


def bash(line, cwd):
    """What bash would put in place of the last word."""
    script = (f"source {BASH}\n[ \"$(complete -p kiln)\" = 'complete -F _kiln kiln' ] || exit 1\n"
              "compopt() { :; }\nCOMP_LINE=$1 COMP_POINT=${#1}\n_kiln\n"
              "((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"\n")
    return run("bash", "-c", script, "bash", line, cwd=cwd,
               env=dict(os.environ, PATH=PATH)).stdout.splitlines()


def zsh(line, cwd):
    """What the zsh function hands to compadd, and whether it asks for files."""
    script = ("compset() { :; }\n"
              "_files() { print -l @files $@ }\n"
              "compadd() { shift 4; local -a all=(${(P)1}); (($#all)) && print -rl -- $all; true }\n"
              f"words=(${{(z)1}}); [[ $1 = *' ' ]] && words+=('')\nCURRENT=$#words\n"
              f"kiln_completion() {{ source {ZSH} }}\nkiln_completion\n")
    return run("zsh", "-f", "-c", script, "zsh", line, cwd=cwd,
               env=dict(os.environ, PATH=PATH)).stdout.splitlines()


def test_shells(_):
    """bash and zsh complete commands, targets, values, folders and images"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as top:
        os.mkdir(os.path.join(top, "mine"))
        for name in "mine.jail", "a file":
            with open(os.path.join(top, name), "w"):
                pass
        for shell in bash, zsh:
            name = shell.__name__
            check_equal(shell("kiln ", top), commands(), f"{name}: commands")
            check_equal(shell("kiln bui", top), ["build"], f"{name}: a command")
            check_equal(shell("kiln run mine -t ", top), ["host", "sim", "jail", "vm"],
                        f"{name}: targets")
            check("--layout-seed" in shell("kiln build --", top), f"{name}: options")
            check_equal(shell("kiln nonsense ", top), [], f"{name}: nothing")
        check_equal(bash("kiln run --log=d", top), ["debug"], "bash replaces behind '='")
        check_equal(zsh("kiln run --log=d", top), ["--log=debug"], "zsh replaces the word")
        check_equal(bash("kiln build ", top), ["mine"], "bash: folders")
        check_equal(set(bash("kiln run m", top)), {"mine", "mine.jail"}, "bash: images")
        check_equal(zsh("kiln build ", top), ["@files", "-/"], "zsh: folders")
        check_equal(zsh("kiln run ", top), ["@files", "-/", "@files"], "zsh: images")
        check_equal(bash("kiln run --disk data=a", top), ["a file"], "bash: behind NAME=")


def test_zsh_finds_it(_):
    """zsh's compinit takes the function up by its first line"""
    done = run("zsh", "-f", "-c", "fpath=($1 $fpath); autoload -U compinit; compinit -D -u;"
               "print $_comps[kiln]", "zsh", os.path.dirname(ZSH))
    check_equal(done.stdout, "_kiln\n", "the function for kiln")


def test_typing_is_quiet(_):
    """completion prints no message and builds nothing, whatever is typed"""
    for words in [("run", "/nothing", "--"), ("build", "--x=", ""), ("run", "/bin/sh", "--"),
                  ("test", "-"), ("complete", "")]:
        done = run(os.path.join(ROOT, "kiln"), "complete", *words)
        check_equal(done.stderr, "", f"kiln complete {words}")


# ---- the manual ----

def manual_options():
    """command: its options, as kiln(1) has them under COMMANDS."""
    with open(MANUAL) as file:
        text = file.read().partition(".Sh COMMANDS")[2].partition(".Sh ENVIRONMENT")[0]
    found = {}
    command, depth = None, 0
    for line in text.splitlines():
        words = line.split()
        if line.startswith(".Bl"):
            depth += 1
        elif line.startswith(".El"):
            depth -= 1
        elif line.startswith(".It Cm") and depth == 1:
            command = words[2]
            found.setdefault(command, set())
        elif line.startswith(".It Fl") and command:
            for at, word in enumerate(words[:-1]):
                if word == "Fl":
                    found[command].add("-" + words[at + 1])
    return found


def test_manual_form(_):
    """mandoc finds nothing to say about the manual"""
    done = subprocess.run(["mandoc", "-Tlint", MANUAL], capture_output=True, text=True,
                          check=False)
    # Whether the manuals it refers to are installed is not its form.
    said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    check_equal(said, [], "mandoc -Tlint")


def test_manual_is_complete(_):
    """the manual has the commands and options of the help, and no others"""
    manual = manual_options()
    check_equal(list(manual), commands(), "commands")
    for command in commands():
        check_equal(manual[command], options(command), f"options of {command}")


def test_manual_synopsis(_):
    """the synopsis names every command"""
    with open(MANUAL) as file:
        synopsis = file.read().partition(".Sh SYNOPSIS")[2].partition(".Sh")[0]
    names = re.findall(r"^\.Cm (\w+)", synopsis, re.M)
    check_equal(list(dict.fromkeys(names)), commands(), "commands")
