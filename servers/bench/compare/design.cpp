#include "servers/bench/compare/design.hpp"

#include "servers/models/models.hpp"

namespace bullpen {
namespace {

std::vector<Design> make_designs() {
    std::vector<Design> all;
    for (const Model& model : models()) {
        const Design design{.name = std::string{model.name},
                            .summary = std::string{model.summary},
                            .choose_when = std::string{model.choose_when},
                            .model = model};
        all.push_back(design);
        if (model.takes_threads) {
            Design& threaded = all.emplace_back(design);
            threaded.name += "-threads";
            threaded.summary += "; each process has several, which are threads";
            threaded.choose_when = "memory counts, and a crash may take a few clients instead of one";
            threaded.threaded = true;
        }
        if (model.locks_accept) {
            Design& file_lock = all.emplace_back(design);
            file_lock.name += "-file";
            file_lock.summary += " on a file";
            file_lock.accept_lock = AcceptLockKind::file;
            file_lock.unasked = false;
        }
    }
    return all;
}

}  // namespace

const std::vector<Design>& designs() {
    static const std::vector<Design> all = make_designs();
    return all;
}

}  // namespace bullpen
