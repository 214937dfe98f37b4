/** Every metric the relay tells, in the order of docs/operations.md. Units are base units (Prometheus conventions): seconds and bytes. */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels?: readonly string[]
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
}

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

export const METRICS = {
  posthorn_build_info: { type: 'gauge', help: 'Always 1; what runs.', labels: ['version', 'verifier', 'epoch'] },
  posthorn_uptime_seconds: { type: 'gauge', help: 'Since the relay started.' },
  posthorn_connections: { type: 'gauge', help: 'Open connections.' },
  posthorn_connections_opened_total: { type: 'counter', help: 'Connections accepted.' },
  posthorn_connections_ended_total: {
    type: 'counter',
    help: 'Connections ended, by close code; 1013 are readers that were too slow, 1008 broke a rule.',
    labels: ['code'],
  },
  posthorn_slow_readers: {
    type: 'gauge',
    help: 'Connections that have more unread than is pushed; they go on from the log.',
  },
  posthorn_subscriptions: { type: 'gauge', help: 'Open subscriptions.' },
  posthorn_frames_received_total: { type: 'counter', help: 'Frames from clients.', labels: ['type'] },
  posthorn_received_bytes_total: { type: 'counter', help: 'Text from clients, in UTF-16 units.' },
  posthorn_frames_sent_total: { type: 'counter', help: 'Frames to clients.' },
  posthorn_sent_bytes_total: { type: 'counter', help: 'Text to clients, in UTF-16 units.' },
  posthorn_deliveries_total: { type: 'counter', help: 'EVENT frames to clients, stored and live.' },
  posthorn_published_total: {
    type: 'counter',
    help: 'Events published over sockets, by outcome: stored, duplicate, or the word of the refusal.',
    labels: ['outcome'],
  },
  posthorn_closed_total: {
    type: 'counter',
    help: 'Subscriptions refused or ended, by the word of the reason.',
    labels: ['reason'],
  },
  posthorn_committed_total: {
    type: 'counter',
    help: 'Events that reached the log, by verdict there.',
    labels: ['status'],
  },
  posthorn_verify_seconds: {
    type: 'histogram',
    help: 'A batch through the verifier, waiting included.',
    buckets: SECONDS,
  },
  posthorn_verify_batch_events: { type: 'histogram', help: 'Events in such a batch.', buckets: SIZES },
  posthorn_commit_seconds: { type: 'histogram', help: 'A synced commit, waiting included.', buckets: SECONDS },
  posthorn_commit_batch_events: { type: 'histogram', help: 'Events in such a commit.', buckets: SIZES },
  posthorn_query_seconds: {
    type: 'histogram',
    help: 'One page of a question, by which conditions it has.',
    labels: ['shape'],
    buckets: SECONDS,
  },
  posthorn_query_rows_total: { type: 'counter', help: 'Rows that these pages had.', labels: ['shape'] },
  posthorn_reader_seconds_total: {
    type: 'counter',
    help: 'Time of the reader that questions took, by who asked: local, key (authenticated), address, or the relay itself.',
    labels: ['peer'],
  },
  posthorn_reader_turns_total: { type: 'counter', help: 'Turns in which it took them.', labels: ['peer'] },
  posthorn_reader_late_turns_total: {
    type: 'counter',
    help: 'Turns of those who had used up their budget of reader time.',
    labels: ['peer'],
  },
  posthorn_reader_dropped_total: {
    type: 'counter',
    help: 'Questions dropped unanswered because their asker had closed, replaced or left them.',
    labels: ['peer'],
  },
  posthorn_reader_waiting: { type: 'gauge', help: 'Questions that wait for their turn.' },
  posthorn_wills: { type: 'gauge', help: 'Wills on deposit.' },
  posthorn_log_seq: { type: 'gauge', help: 'The last position of the log.' },
  posthorn_log_floor_seq: { type: 'gauge', help: 'From here on nothing has been pruned.' },
  posthorn_log_file_bytes: { type: 'gauge', help: 'Size of the files of the log.', labels: ['file'] },
  posthorn_disk_free_bytes: { type: 'gauge', help: 'Left where the log is.' },
  posthorn_ready: { type: 'gauge', help: '1 if /readyz answers 200, by check.', labels: ['check'] },
  posthorn_backup_interval_seconds: { type: 'gauge', help: 'How often a backup is due; nothing without --backup-dir.' },
  posthorn_backup_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When the newest checked backup was made.',
  },
  posthorn_backup_last_duration_seconds: { type: 'gauge', help: 'What it took to make, check included.' },
  posthorn_backup_last_size_bytes: { type: 'gauge', help: 'Its size.' },
  posthorn_backups_total: { type: 'counter', help: 'Scheduled backups, by outcome.', labels: ['outcome'] },
} as const satisfies Record<string, MetricSpec>

export type MetricName = keyof typeof METRICS
