"""Kiln's KVM monitor against drivers that break the rules: it survives, names the fault, and the
disks and the tap behind it stay as they are."""

from attempts import Attempt, add_tests, make, sample
from cell import Cell
from harness import Skip, kvm_serves

REGISTERS = 0x200  # where all that a device has lie; behind them is nothing but more of the same


def attack(attempts):
    if not kvm_serves():
        raise Skip("no /dev/kvm")
    with Cell("rings", "vm", memory="2M") as cell:
        make(attempts, cell.start)


def test_words(_):
    """KVM: kiln run passes the monitor's sentence on"""
    if not kvm_serves():
        raise Skip("no /dev/kvm")
    with Cell("rings", "vm", memory="2M") as cell:
        make(sample("test/vm/rings"), cell.run, told=True)


add_tests(globals(), "test/vm/rings", attack)


def test_registers(_):
    """KVM: every register of each device is written, with every width, to no harm"""
    attack([Attempt(f"{device}, {width} bytes at {offset:#x}",
                    f"setup {device} 0 set{width} {offset} 0xffffffffffffffff",
                    '"broke the rules"/held' if width == 4 and offset % 4 == 0 else
                    '"a register was written that is not 4 aligned bytes"')
            for device, step in (("net0", 4), ("disk0", 16), ("console", 16), ("random", 16))
            for offset in range(0, REGISTERS, step)
            for width in (1, 2, 4, 8)])
