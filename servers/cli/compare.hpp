/// `bullpen compare`: the same work on several models, one after the other, and a table of what came out.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace bullpen {

struct CompareOptions {
    std::vector<std::string> models = {"iterative", "fork", "prefork"};
    std::string service = "http";
    long connections = 0;     ///< To each model; 0: 50,000, or 3,000 with keep_alive.
    int concurrency = 16;     ///< Connections at a time.
    int workers = 8;          ///< Of the models with a pool.
    bool keep_alive = false;  ///< Several requests on a connection, made without a pause; then it closes, so
                              ///< that a model that serves one connection at a time gets to the next.
    int requests_per_connection = 100;  ///< With keep_alive.
    std::string root;        ///< http: the directory to serve; empty: a temporary one with one small file.
    std::string path;        ///< http: what is asked for; empty: "/", or the small file.
    int message_size = 128;  ///< echo: bytes of a message; http: of the small file.
    int time_limit = 60;     ///< Seconds of load a model.
    std::string json_file;   ///< Empty: none.
};

/// Prints the table on stdout. Returns the exit status: 0, 1 (a model could not be measured) or 130
/// (interrupted: what was finished is shown). Leaves no process and no temporary file behind. Throws
/// std::invalid_argument for options that can't be (an unknown model …), else std::exception; one sentence,
/// before any run has begun.
int run_compare(const CompareOptions& options);

/// Declares the command and its flags; once it is given, `chosen` runs it.
void declare_compare(CLI::App& program, CompareOptions& options, std::function<int()>& chosen);

}  // namespace bullpen
