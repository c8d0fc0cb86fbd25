import type { Option } from '$lib/components/ui/option.ts';
import type { Model } from '$lib/executions/models.ts';
import { formatMoney, formatNumber } from '$lib/format.ts';
import { m } from '$lib/messages/messages.ts';

/** Models as choices, each with what it costs and how much it reads. */
export function modelOptions(models: Model[]): Option[] {
  return models.map((model) => ({
    value: model.id,
    label: model.title,
    hint: model.is_offline
      ? m.runs.demoHint
      : m.agents.editor.modelHint(
          model.id,
          formatMoney(model.input_usd_per_million),
          formatMoney(model.output_usd_per_million),
          formatNumber(model.context_window),
        ),
  }));
}
