/// For tests: pools of every model that runs handlers, for what none of them may get wrong.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "servers/models/models.hpp"
#include "tests/pool/running_master.hpp"

namespace bullpen {

struct Case {
    std::string name;
    const Model* model = nullptr;
    int threads = 1;
    AcceptLockKind accept_lock = AcceptLockKind::mutex;
};

inline std::vector<Case> every_case() {
    std::vector<Case> cases;
    for (const Model& model : models())
        if (model.form != Form::program) cases.push_back({std::string{model.name}, &model});
    cases.push_back({"prefork, 2 threads each", &prefork, 2});
    cases.push_back({"prefork-lock, by file", &prefork_lock, 1, AcceptLockKind::file});
    return cases;
}

inline Case case_of(std::string_view name) {
    for (const Case& one : every_case())
        if (one.name == name) return one;
    return {};
}

/// Of two workers, or of four in two processes.
inline PoolOptions pool_of(const Case& one, Handler handler) {
    PoolOptions pool = pool_of(2 * one.threads, std::move(handler), *one.model);
    pool.threads = one.threads;
    pool.accept_lock = one.accept_lock;
    return pool;
}

inline std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        const std::string name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream stat{"/proc/" + name + "/stat"};
        std::string text;
        std::getline(stat, text);
        const std::size_t end = text.rfind(')');
        if (end == std::string::npos || text.size() < end + 4 || text[end + 2] == 'Z') continue;
        if (std::stoi(text.substr(end + 4)) == parent) children.push_back(std::stoi(name));
    }
    return children;
}

inline std::vector<pid_t> workers_of(const RunningMaster& master) {
    std::vector<pid_t> workers = children_of(master.keeper());
    std::erase(workers, master.pid());
    return workers;
}

}  // namespace bullpen
