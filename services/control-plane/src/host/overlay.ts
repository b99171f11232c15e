import type { Host } from './host.ts'

/** A host with some members replaced by `own`. */
export function overlaid<H extends Host, Own extends object>(host: H, own: Own & Partial<Host>): H & Own {
  return new Proxy(host, {
    get(target, name) {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name)
      // The host's private members require the host itself.
      return typeof value === 'function' ? (value.bind(name in own ? own : target) as unknown) : value
    },
  }) as H & Own
}
