import type { DurationReading } from '../../lib/durations.ts';
import type { NodeSnapshot } from '../view.ts';

/** Takes a value with the values of the labels, in their order. */
export type Emit<V> = (value: V, ...labels: readonly (string | number)[]) => void;

interface MetricBase {
  /** Without `_total`: a counter gets that when it is written. */
  readonly name: string;
  /** The last word of the name, where there is one. */
  readonly unit?: 'seconds' | 'bytes';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Where the value is from, for the documentation. */
  readonly source: string;
}

export interface NumberMetric<View> extends MetricBase {
  readonly type: 'gauge' | 'counter';
  read(view: View, emit: Emit<number>): void;
}

export interface HistogramMetric<View> extends MetricBase {
  readonly type: 'histogram';
  read(view: View, emit: Emit<DurationReading>): void;
}

/**
 * One family of metrics: the single place where its name, type and meaning are written down. Output and documentation follow it. `View` is
 * what the values are read from.
 */
export type Metric<View = NodeSnapshot> = NumberMetric<View> | HistogramMetric<View>;
