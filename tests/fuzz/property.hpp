/// For fuzzing: what must hold for every input.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

/// Ends the program, so that libFuzzer keeps the input.
inline void must(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "it must hold that %s\n", what);
    std::abort();
}

/// The lowest free descriptor: another one after an input than before means that one was left open or closed.
inline int lowest_free_descriptor() {
    const int fd = ::dup(STDIN_FILENO);
    ::close(fd);
    return fd;
}
