import type { Host } from './host.ts'

/** A host of which some methods are answered by `own`, and the rest by itself. */
export function overlaid(host: Host, own: Partial<Host>): Host {
  return new Proxy(host, {
    get(target, name) {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name)
      // The host's private members want the host itself.
      return typeof value === 'function' ? (value.bind(name in own ? own : target) as unknown) : value
    },
  })
}
