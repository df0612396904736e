/// process-count: how many processes the host runs (APUE, an exercise of chapter 16).
#include <algorithm>
#include <filesystem>

#include "servers/services/short_answer.hpp"

namespace bullpen {
namespace {

/// As far as /proc shows them (pid namespaces, hidepid).
std::string process_count() {
    const auto is_process = [](const std::filesystem::directory_entry& entry) {
        const std::string name = entry.path().filename();
        return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    const auto count = std::count_if(std::filesystem::directory_iterator{"/proc"},
                                     std::filesystem::directory_iterator{}, is_process);
    return std::to_string(count) + "\r\n";
}

}  // namespace

Service process_count_service() {
    return short_answer_service("process-count", "how many processes the host runs (APUE 16)", process_count);
}

}  // namespace bullpen
