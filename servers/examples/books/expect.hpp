/// What the programs of this folder share: sentences that turn out to be true or not.
#pragma once

#include <cerrno>
#include <iostream>
#include <string_view>
#include <system_error>

inline bool all_are_true = true;

inline void expect(bool is_true, std::string_view sentence) {
    std::cout << (is_true ? "yes  " : "NO   ") << sentence << '\n';
    all_are_true = all_are_true && is_true;
}

/// The exit status of main().
inline int outcome() {
    return all_are_true ? 0 : 1;
}

/// The result of a system call; throws if it has failed.
template <typename Result>
Result checked(Result result, const char* what) {
    if (result < 0) throw std::system_error{errno, std::generic_category(), what};
    return result;
}
