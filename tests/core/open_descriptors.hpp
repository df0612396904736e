/// For tests: the cheapest leak check there is.
#pragma once

#include <filesystem>
#include <iterator>

/// How many descriptors this process has open.
inline long open_descriptors() {
    std::filesystem::directory_iterator listing{"/proc/self/fd"};
    return std::distance(begin(listing), end(listing));
}
