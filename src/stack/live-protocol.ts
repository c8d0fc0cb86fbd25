// How realtime-js writes its messages: Phoenix channels, as JSON objects (vsn 1.0.0) or JSON arrays with
// binary frames for broadcasts (vsn 2.0.0). Source: the serializer of @supabase/realtime-js.

export type Version = '1.0.0' | '2.0.0';

/** One message of a channel; `topic` is `realtime:<name>`. */
export type Message = {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: Record<string, unknown>;
};

/** What one client tells the others: JSON, or bytes that only vsn 2.0.0 can carry. */
export type Broadcast = { event: string; payload: unknown };

const JSON_ENCODING = 1;
const BINARY_ENCODING = 0;
const BROADCAST_FROM_CLIENT = 3;
const BROADCAST_TO_CLIENT = 4;

/** Reads a frame; null for what is no message of the protocol. */
export function decode(frame: Buffer, isBinary: boolean, version: Version): Message | null {
  try {
    if (isBinary) return decodeBroadcast(frame);
    const value: unknown = JSON.parse(frame.toString());
    const fields: unknown[] =
      version === '2.0.0'
        ? (value as unknown[])
        : ['join_ref', 'ref', 'topic', 'event', 'payload'].map(
            (name) => (value as Record<string, unknown>)[name],
          );
    const [joinRef, ref, topic, event, payload] = fields;
    if (typeof topic !== 'string' || typeof event !== 'string') return null;
    return {
      joinRef: reference(joinRef),
      ref: reference(ref),
      topic,
      event,
      payload: record(payload),
    };
  } catch {
    return null;
  }
}

/** Writes a message as text. */
export function encode(message: Message, version: Version): string {
  const { joinRef, ref, topic, event, payload } = message;
  return version === '2.0.0'
    ? JSON.stringify([joinRef, ref, topic, event, payload])
    : JSON.stringify({ join_ref: joinRef, ref, topic, event, payload });
}

/** Writes a broadcast; null when this version cannot carry its bytes. */
export function encodeBroadcast(
  topic: string,
  broadcast: Broadcast,
  version: Version,
): string | Buffer | null {
  if (!Buffer.isBuffer(broadcast.payload)) {
    const payload = { type: 'broadcast', event: broadcast.event, payload: broadcast.payload };
    return encode({ joinRef: null, ref: null, topic, event: 'broadcast', payload }, version);
  }
  if (version === '1.0.0') return null;
  const [name, event] = [Buffer.from(topic), Buffer.from(broadcast.event)];
  const header = Buffer.from([BROADCAST_TO_CLIENT, name.length, event.length, 0, BINARY_ENCODING]);
  return Buffer.concat([header, name, event, broadcast.payload]);
}

function decodeBroadcast(frame: Buffer): Message | null {
  const [
    kind,
    joinRefLength = 0,
    refLength = 0,
    topicLength = 0,
    eventLength = 0,
    metaLength = 0,
    encoding,
  ] = frame;
  if (kind !== BROADCAST_FROM_CLIENT || frame.length < 7) return null;
  let offset = 7;
  const next = (length: number): string => frame.toString('utf8', offset, (offset += length));
  const joinRef = next(joinRefLength);
  const ref = next(refLength);
  const topic = next(topicLength);
  const event = next(eventLength);
  next(metaLength);
  const body = frame.subarray(offset);
  const payload: unknown =
    encoding === JSON_ENCODING ? JSON.parse(body.toString()) : Buffer.from(body);
  return {
    joinRef: joinRef || null,
    ref: ref || null,
    topic,
    event: 'broadcast',
    payload: { type: 'broadcast', event, payload },
  };
}

function reference(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
