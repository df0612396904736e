#include "servers/cli/setting_flags.hpp"

#include "servers/settings/setting_value.hpp"

namespace bullpen {
namespace {

/// Its sentence and its default.
template <typename Owner>
std::string help_of(const Setting<Owner>& setting) {
    const std::string by_default = text_of(setting, Owner{});
    return std::string{setting.help} + (by_default.empty() ? "" : " (" + by_default + ")");
}

}  // namespace

template <typename Owner>
void declare_flags(CLI::App& command, const std::vector<Setting<Owner>>& table, FlagValues& values) {
    for (const Setting<Owner>& setting : table) {
        if (setting.key == "service" || setting.key == "program") continue;  // They are positional.
        std::vector<std::string>& given = values[std::string{setting.key}];
        CLI::Option* option = command.add_option(setting.flag(), given, help_of(setting));
        option->type_name(std::string{setting.argument})->type_size(1)->expected(1)->allow_extra_args(false);
        option->take_all();
    }
}

template <typename Owner>
void apply_flags(Owner& owner, const std::vector<Setting<Owner>>& table, const FlagValues& values) {
    for (const Setting<Owner>& setting : table) {
        const auto found = values.find(std::string{setting.key});
        if (found == values.end() || found->second.empty()) continue;
        set_from_text(owner, setting, found->second, setting.key == "service" ? "service" : setting.flag());
    }
}

template void declare_flags(CLI::App&, const std::vector<Setting<PoolSettings>>&, FlagValues&);
template void declare_flags(CLI::App&, const std::vector<Setting<MasterSettings>>&, FlagValues&);
template void apply_flags(PoolSettings&, const std::vector<Setting<PoolSettings>>&, const FlagValues&);
template void apply_flags(MasterSettings&, const std::vector<Setting<MasterSettings>>&, const FlagValues&);

}  // namespace bullpen
