/// The test of UNP chapter 30, run again: 5,000 connections from 10 clients at once (the book: 2 hosts of 5
/// clients that make 500 each), each answered with 4,000 bytes, by servers of 15 children or threads.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

constexpr const char* stevens_name = "stevens";  ///< Of its workload.
constexpr int stevens_workers = 15;

Workload stevens_workload();

/// A row of figure 30.1.
struct StevensRow {
    int number = 0;
    std::string model;   ///< Ours for it.
    std::string design;  ///< The book's words, nearly.
};

const std::vector<StevensRow>& stevens_rows();

bool is_stevens(const Comparison& comparison) noexcept;

/// The counterparts of figures 30.1 and 30.2. Rows without a measurement are left out.
std::string render_stevens(const Comparison& comparison, std::size_t width = 80);

}  // namespace bullpen
