import { systemClock } from '@strongroom/platform'
import { createSilicon, type Silicon } from '@strongroom/silicon'

export { exampleSpec, testAuthority } from '@strongroom/paravisor/testing'
export { layProcessors } from './testing/lay-processors.ts'
export { signStandIn } from './testing/sign-stand-in.ts'

let silicon: Promise<Silicon> | undefined

/** One pair of simulated processors per test file: their keys take seconds to generate. */
export function testSilicon(): Promise<Silicon> {
  const keys = new Map<string, Uint8Array>()
  silicon ??= createSilicon({
    keys: {
      load: (name) => Promise.resolve(keys.get(name)),
      save: async (name, pkcs8) => void keys.set(name, pkcs8),
    },
    clock: systemClock,
  })
  return silicon
}
