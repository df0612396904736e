/// A key-value store over lines: "set KEY VALUE", "get KEY".
///
/// To learn: clients that say nothing cost no worker, because a handler of whole lines leaves what is
/// incomplete in the kernel and has its connection parked; and the threads of one process share memory.
///
///     key_value 127.0.0.1:7001
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include <bullpen/messages.hpp>
#include <bullpen/serve.hpp>

namespace {

class Store {
public:
    void set(std::string_view key, std::string_view value) {
        const std::lock_guard guard{mutex_};
        values_.insert_or_assign(std::string{key}, std::string{value});
    }
    std::string get(std::string_view key) {
        const std::lock_guard guard{mutex_};
        const auto found = values_.find(key);
        return found == values_.end() ? "-" : "=" + found->second;
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::string, std::less<>> values_;
};

std::string answer(Store& store, std::string_view line) {
    const std::string_view key = line.substr(0, line.find(' ', 4)).substr(line.size() < 4 ? line.size() : 4);
    if (line.starts_with("get ") && !key.empty()) return store.get(key);
    if (!line.starts_with("set ") || key.empty() || line.size() <= 4 + key.size())
        return "? expected: get KEY, or set KEY VALUE";
    store.set(key, line.substr(4 + key.size() + 1));
    return "ok";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: key_value HOST:PORT\n";
        return 2;
    }
    bullpen::Options options;
    options.listen = {argv[1]};
    options.handoff_when = bullpen::HandoffWhen::readable;
    options.threads = 8;  // All workers in one process.
    options.limits = {.policy = bullpen::SizingPolicy::fixed, .workers_start = 8, .workers_max = 8};
    Store store;  // Each process has its own; here there is one.
    return bullpen::serve(options,
                          bullpen::by_lines([&store](bullpen::Connection& client, std::string_view line) {
                              client.write_all(answer(store, line) + "\n");
                          }));
}
