#include "servers/services/form.hpp"

#include <memory>

#include "core/datagram_metrics.hpp"
#include "core/enumerate.hpp"
#include "servers/services/guarded_datagrams.hpp"

namespace bullpen {
namespace {

const char* name_of(Form form) noexcept {
    switch (form) {
        case Form::blocking: return "a blocking handler";
        case Form::asynchronous: return "an asynchronous handler";
        case Form::program: return "a program";
        case Form::datagram: return "a handler of datagrams";
    }
    return "";
}

const std::function<Handler(const ServiceOptions&)>& handler_for(const Model& model, const Service& service) {
    return model.takes_turns() && service.make_in_turns ? service.make_in_turns : service.make;
}

}  // namespace

bool has_form(const Service& service, Form form) noexcept {
    switch (form) {
        case Form::blocking: return service.make != nullptr;
        case Form::asynchronous: return service.make_async != nullptr;
        case Form::program: return service.make_program != nullptr;
        case Form::datagram: return service.make_datagram != nullptr;
    }
    return false;
}

namespace {

std::string datagram_services() {
    std::vector<std::string_view> names;
    for (const Service& service : services())
        if (has_form(service, Form::datagram)) names.push_back(service.name);
    return enumerate(names);
}

}  // namespace

std::string set_form(PoolOptions& pool, const Service& service, const ServiceOptions& options) {
    if (pool.design.form == Form::datagram && !has_form(service, Form::datagram))
        return "service " + std::string{service.name} +
               " serves connections only; datagrams are answered by " + datagram_services();
    if (!has_form(service, pool.design.form))
        return "model " + std::string{pool.design.name} + " runs " + name_of(pool.design.form) +
               ", and service " + std::string{service.name} + " is none (see bullpen models)";
    switch (pool.design.form) {
        case Form::blocking: pool.handler = handler_for(pool.design, service)(options); break;
        case Form::asynchronous: pool.async_handler = service.make_async(options); break;
        case Form::program: pool.program = service.make_program(options); break;
        case Form::datagram:
            pool.datagram_handler = [answer = service.make_datagram(options),
                                     long_answers = std::make_shared<LongAnswers>()](WorkerContext&) {
                return guarded(answer, long_answers);
            };
            define_datagram_metrics();
            break;
    }
    if (pool.design.master_accepts()) {
        if (service.client_speaks_first) pool.handoff_when = HandoffWhen::readable;
        pool.retry_crashed = service.retry_crashed;
    }
    pool.refusal = service.refusal;
    pool.parks_files = service.parks_files;
    return {};
}

}  // namespace bullpen
