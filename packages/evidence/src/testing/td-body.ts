import { tdAttributes, type TdBody } from '../tdx/td-body.ts'

/** A TD quote body that passes every rule. */
export function tdBody(changes: Partial<TdBody> = {}): TdBody {
  const zero = new Uint8Array(48)
  return {
    teeTcbSvn: new Uint8Array(16),
    mrSeam: zero,
    mrSignerSeam: zero,
    seamAttributes: new Uint8Array(8),
    attributes: tdAttributes.septVeDisable,
    xfam: 0xe7n,
    mrTd: zero,
    mrConfigId: zero,
    mrOwner: zero,
    mrOwnerConfig: zero,
    rtmrs: [zero, zero, zero, zero],
    reportData: new Uint8Array(64),
    ...changes,
  }
}
