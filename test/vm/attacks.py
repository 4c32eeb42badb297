"""A guest against what stands under it, on Kiln's monitor and on QEMU: each attempt of the
table."""

import os

import harness
from attempts import make, outcome_of, read_table, sample
from entropy import check_at_least, measure
from harness import KILN, Skip
from worlds import build

LONG = True
KVM = os.path.join(os.path.dirname(KILN), "kiln-kvm")


def need_kvm():
    if not harness.kvm_serves():
        raise Skip("no /dev/kvm")


def start_kvm(how):
    return outcome_of([KVM, "-m", "2M", build("ring3", "vm"), f"attack={how}"])


def start_qemu(how):
    return outcome_of([KILN, "run", build("ring3", "vm"), "--monitor", "qemu", "-m", "4M",
                       "--attack", how], timeout=30)


def test_words(_):
    """kiln run tells the user how an attack of a guest on KVM ended"""
    need_kvm()
    make(sample("test/vm/attempts"),
         lambda how: outcome_of([KILN, "run", build("ring3", "vm"), "--monitor", "kvm", "-m",
                                 "2M", "--attack", how]), told=True)


def test_random(_):
    """KVM: where a guest's memory lies is left to 25 bits of chance at each start"""
    need_kvm()
    check_at_least(measure(start_kvm), {"text": 25, "stack": 25, "memory": 25})


STARTS = {"KVM": start_kvm, "QEMU": start_qemu}


def add_test(monitor, title, attempts):
    def function(_):
        if monitor == "KVM":
            need_kvm()
        make(attempts, STARTS[monitor])
    function.__doc__ = f"{monitor}: {title} ({len(attempts)} attempts)"
    globals()[f"test_{monitor} {title}"] = function


for group, of_group in read_table("test/vm/attempts"):
    only, colon, rest = group.partition(": ")
    for name in [only] if colon else STARTS:
        add_test(name, rest or group, of_group)
