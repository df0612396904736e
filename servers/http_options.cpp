#include <bullpen/http.hpp>
#include "core/http/http_metrics.hpp"
#include "core/http/status_page.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

Options http_options(Options options) {
    http::define_metrics();
    options.refusal = http::undated_answer(http::Status::unavailable);
    const Model* const model = find_model(options.model);
    if (model == nullptr || !model->master_accepts()) return options;
    options.handoff_when = HandoffWhen::readable;
    options.parks_files = model->parks();
    options.retry_crashed = 1;
    return options;
}

}  // namespace bullpen
