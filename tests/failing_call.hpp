/// For tests: a system call that fails, as on another machine or kernel.
#pragma once

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <array>
#include <cstddef>

namespace bullpen {

/// From here on each of this process's calls of that number (SYS_accept4 …) fails so; for a child of a
/// test's.
inline void let_call_fail(unsigned number, int error) {
    const __u32 returned = SECCOMP_RET_ERRNO | static_cast<__u32>(error);
    std::array<sock_filter, 4> filter{{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
                                       {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
                                       {BPF_RET | BPF_K, 0, 0, returned},
                                       {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}}};
    const sock_fprog program{.len = filter.size(), .filter = filter.data()};
    REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

}  // namespace bullpen
