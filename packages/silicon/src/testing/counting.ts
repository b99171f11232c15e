import { webPrimitives, type Primitives } from '@strongroom/evidence'

/** WebCrypto, with a count of verified signatures since the last call of `checks`. */
export function counting(): { primitives: Primitives; checks: () => number } {
  let count = 0
  return {
    primitives: {
      ...webPrimitives,
      verify: (check) => {
        count++
        return webPrimitives.verify(check)
      },
    },
    checks: () => {
      const found = count
      count = 0
      return found
    },
  }
}
