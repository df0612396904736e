/// `bullpen compare`: the same work on several models, in turn and repeatedly, and what came out of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "servers/bench/compare/workload.hpp"

namespace CLI {
class App;
}

namespace bullpen {

struct CompareOptions {
    std::vector<std::string> models;                 ///< Empty: all.
    std::vector<std::string> workloads = {"short"};  ///< Or "all".
    WorkloadOptions workload;
    int workers = 8;      ///< Of the models with a pool.
    int threads = 4;      ///< Of each process, where they have several.
    int repeat = 3;       ///< Runs of each model under each workload.
    std::string root;     ///< http: the directory to serve; empty: a temporary one with one small file.
    std::string path;     ///< http: what is asked for; empty: "/", or the small file.
    std::string command;  ///< As the report shows it, to be repeated.
    bool stevens = false;
    std::string from_file;    ///< Shows this result instead of measuring.
    std::string json_file;    ///< Empty: none.
    std::string report_file;  ///< Empty: none.
};

/// Prints the tables on stdout. Returns the exit status: 0, 1 (a model could not be measured) or 130
/// (interrupted: what was finished is shown). Leaves no process and no temporary file behind. Throws
/// std::invalid_argument for options that can't be (an unknown model …), else std::exception; one sentence,
/// before any run has begun.
int run_compare(const CompareOptions& options);

/// Declares the command and its flags; once it is given, `chosen` runs it.
void declare_compare(CLI::App& program, CompareOptions& options, std::function<int()>& chosen);

}  // namespace bullpen
