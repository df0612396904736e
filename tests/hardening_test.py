"""The optimised program is built as Debian builds its servers; whoever builds the library into his own program isn't."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import TOP

PROGRAM = os.environ.get("BULLPEN_OPTIMISED", str(TOP / "build/bullpen"))


def readelf(*flags):
    return subprocess.run(["readelf", "--wide", *flags, PROGRAM], capture_output=True, text=True, check=True).stdout


@unittest.skipUnless(shutil.which("readelf"), "binutils is not installed")
class Hardening(unittest.TestCase):
    def test_it_is_position_independent(self):
        self.assertRegex(readelf("--file-header"), r"Type: +DYN ")
        self.assertRegex(readelf("--dynamic"), r"FLAGS_1\).*\bPIE\b")

    def test_all_symbols_are_bound_at_the_start_and_then_read_only(self):
        self.assertRegex(readelf("--dynamic"), r"FLAGS_1\).*\bNOW\b")
        self.assertRegex(readelf("--program-headers"), r"GNU_RELRO")

    def test_neither_its_stack_nor_any_segment_is_writable_and_executable(self):
        segments = re.findall(r"^ +(\w+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3}) ", readelf("--program-headers"), re.M)
        self.assertIn(("GNU_STACK", "RW "), segments)
        for kind, access in segments:
            self.assertFalse("W" in access and "E" in access, (kind, access))

    def test_its_functions_check_their_stack_and_their_buffers(self):
        symbols = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__(mem\w+|\w*printf|read|recv|poll|realpath|readlink)_chk")

    def test_its_functions_can_be_entered_at_their_beginning_alone(self):
        """crt1.o of Debian 12 has no such note, so that the program can't have IBT's; its functions have the mark."""
        if "X86-64" not in readelf("--file-header"):
            self.skipTest("another processor")
        self.assertRegex(readelf("--notes"), r"x86 feature:.*SHSTK")
        code = subprocess.run(["objdump", "--disassemble=main", PROGRAM], capture_output=True, text=True, check=True)
        self.assertIn("endbr64", code.stdout)

    def test_large_frames_touch_each_of_their_pages(self):
        """-fstack-clash-protection leaves no symbol: the flag is looked for where the build wrote it down."""
        commands = json.loads((Path(PROGRAM).parent / "compile_commands.json").read_text())
        ours = [command for command in commands if "/servers/cli/main.cpp" in command["file"]]
        self.assertTrue(ours)
        for command in ours:
            self.assertIn("-fstack-clash-protection", command["command"])


class Users(unittest.TestCase):
    def test_a_program_that_builds_the_library_in_gets_none_of_our_flags(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, "main.cpp").write_text("int main() {}\n")
            Path(home, "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.25)
                project(user LANGUAGES CXX)
                add_subdirectory({TOP} bullpen)
                add_executable(user main.cpp)
                target_link_libraries(user PRIVATE bullpen::bullpen)
                """)
            subprocess.run(["cmake", "-S", home, "-B", f"{home}/build", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"],
                           capture_output=True, check=True)
            commands = json.loads(Path(home, "build/compile_commands.json").read_text())
            [own] = [each["command"] for each in commands if each["file"].endswith(f"{home}/main.cpp")]
            for flag in ("-fstack-protector", "-fstack-clash", "-fcf-protection", "FORTIFY", "-fPI", "-Wshadow", "-fvisibility", "sections"):
                self.assertNotIn(flag, own)
            link = Path(home, "build/CMakeFiles/user.dir/link.txt").read_text()
            self.assertNotIn("-z,now", link)


if __name__ == "__main__":
    unittest.main()
