/// Configuration files: a sentence, or pools.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "servers/settings/config_file.hpp"
#include "servers/settings/make_pool.hpp"
#include "tests/fuzz/property.hpp"

using namespace bullpen;

namespace {

void check_sentence(const std::exception& error) {
    const std::string_view sentence = error.what();
    must(!sentence.empty() && sentence.find('\n') == std::string_view::npos, "what is wrong is one sentence");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const int before = lowest_free_descriptor();
    {
        const UniqueFd file{::memfd_create("fuzz", MFD_CLOEXEC)};
        must(::write(file.get(), data, size) == static_cast<ssize_t>(size), "the file is written");
        try {
            const Settings settings = read_config_file("/proc/self/fd/" + std::to_string(file.get()));
            must(!settings.pools.empty(), "a good file has a pool");
            for (const auto& [name, pool] : settings.pools)
                (void)make_pool(name, pool, "[pool]", spell_as_key);
        } catch (const std::invalid_argument& error) {  // Also a SettingError.
            check_sentence(error);
        } catch (const std::system_error& error) {  // There is no such root.
            check_sentence(error);
        }
    }
    must(lowest_free_descriptor() == before, "no descriptor is left open");
    return 0;
}
