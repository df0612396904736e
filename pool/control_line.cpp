#include "pool/control_line.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>
#include <vector>

#include "core/enumerate.hpp"

namespace bullpen {

namespace json = boost::json;

namespace {

json::object to_json(const PoolStatus& pool) {
    json::array listeners;
    for (const ListenerStatus& one : pool.listeners)
        listeners.push_back({{"address", one.address}, {"waiting", one.waiting}, {"backlog", one.backlog}});
    json::object all = {{"name", pool.name},
                        {"model", json::string_view{pool.model.data(), pool.model.size()}},
                        {"leaving", pool.leaving},
                        {"listeners", std::move(listeners)},
                        {"workers",
                         {{"idle", pool.workers.idle},
                          {"busy", pool.workers.busy},
                          {"starting", pool.workers.starting},
                          {"draining", pool.workers.draining},
                          {"max", pool.workers_max}}}};
    if (pool.counts_connections)
        all["connections"] = {{"accepted", pool.accepted},
                              {"open", pool.open},
                              {"parked", pool.parked},
                              {"queued", pool.queued},
                              {"lost", pool.lost}};
    return all;
}

json::object to_json(const ServerStatus& server) {
    const std::string_view phase = name_of(server.phase);
    json::array pools;
    for (const PoolStatus& pool : server.pools)
        pools.push_back(to_json(pool));
    return {{"name", server.name},
            {"version", server.version},
            {"pid", server.pid},
            {"master_pid", server.master_pid},
            {"masters", server.masters},
            {"phase", json::string_view{phase.data(), phase.size()}},
            {"uptime_s", server.uptime.count()},
            {"pools", std::move(pools)}};
}

std::string line_of(const json::object& object) {
    return json::serialize(object) + "\n";
}

ControlRequest refuse(std::string sentence) {
    constexpr int refused = 2;
    return {.order = {}, .refusal = {refused, std::move(sentence)}};
}

std::string known_commands() {
    std::vector<std::string_view> names;
    for (const ControlCommand& command : control_commands)
        names.push_back(command.name);
    return enumerate(names);
}

}  // namespace

std::string request_line(std::string_view command, bool now) {
    json::object request = {{"version", control_version},
                            {"command", json::string_view{command.data(), command.size()}}};
    if (now) request["now"] = true;
    return line_of(request);
}

ControlRequest read_request(std::string_view line) {
    boost::system::error_code error;
    const json::value parsed = json::parse(json::string_view{line.data(), line.size()}, error);
    const json::object* const request = error ? nullptr : parsed.if_object();
    if (request == nullptr) return refuse("a request is a JSON object on one line, at most 1024 bytes long");
    const json::value* const version = request->if_contains("version");
    if (version == nullptr || *version != control_version)
        return refuse("the server speaks version " + std::to_string(control_version) +
                      " of the control protocol, and the request has " +
                      (version == nullptr ? "none" : "version " + json::serialize(*version)));
    const json::value* const named = request->if_contains("command");
    if (named == nullptr || !named->is_string())
        return refuse("a request has a \"command\": " + known_commands());
    const json::string& name = named->get_string();
    if (connections_command.name == std::string_view{name.data(), name.size()})
        return {.order = connections_command.order};
    const auto* const command =
        std::find_if(control_commands.begin(), control_commands.end(), [&](const ControlCommand& one) {
            return one.name == std::string_view{name.data(), name.size()};
        });
    if (command == control_commands.end())
        return refuse("there is no command " + json::serialize(*named) + "; known are " + known_commands());
    const json::value* const now = request->if_contains("now");
    if (now != nullptr && !now->is_bool()) return refuse("\"now\" is true or false");
    if (now == nullptr || !now->get_bool()) return {.order = command->order};
    if (command->order != Order::stop) return refuse("only stop has a \"now\"");
    return {.order = Order::stop_at_once};
}

std::string answer_line(const ControlAnswer& answer, const ServerStatus* status) {
    json::object object = {
        {"version", control_version}, {"exit_status", answer.exit_status}, {"message", answer.message}};
    if (status != nullptr) object["server"] = to_json(*status);
    return line_of(object);
}

}  // namespace bullpen
