#include "servers/bench/load/load_error.hpp"

#include <cerrno>

namespace bullpen {

const char* name_of(LoadError error) noexcept {
    switch (error) {
        case LoadError::refused: return "refused";
        case LoadError::reset: return "reset";
        case LoadError::ended_early: return "ended early";
        case LoadError::wrong_answer: return "wrong answer";
        case LoadError::timed_out: return "timed out";
        case LoadError::no_local_port: return "no local port";
        case LoadError::no_descriptors: return "no descriptors";
        case LoadError::bad_status: return "bad status";
        case LoadError::unsent: return "unsent";
        case LoadError::other: return "other";
    }
    return "?";
}

LoadError load_error_of(int number) noexcept {
    switch (number) {
        case ECONNREFUSED:
        case ENOENT: return LoadError::refused;
        case ECONNRESET:
        case EPIPE: return LoadError::reset;
        case EADDRNOTAVAIL: return LoadError::no_local_port;
        case EMFILE:
        case ENFILE: return LoadError::no_descriptors;
        case ETIMEDOUT: return LoadError::timed_out;
        default: return LoadError::other;
    }
}

}  // namespace bullpen
