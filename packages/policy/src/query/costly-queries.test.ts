import { describe, expect, it } from 'vitest'
import { evaluatePolicy } from '../evaluation.ts'
import { parsePolicy } from '../parser.ts'
import { claimsForPolicy } from '../token-claims.ts'
import { queryFunctions } from './compile.ts'

const many = <T>(length: number, make: (n: number) => T): T[] => Array.from({ length }, (_, n) => make(n))

/** As long as a claim may be. */
const documents: Record<string, unknown> = {
  texts: many(20_000, (n) => `abcdefgh${n}`),
  object: Object.fromEntries(many(20_000, (n) => [`n${n}`, n])),
}

/** Each function, with the current value as every argument, and each operator. */
const functions = [...queryFunctions].flatMap((name) =>
  ['@', '@,@', '&v,@', '@,&v', "'',@", '[@,@]', "',',[to_string(@)]"].map((args) => `${name}(${args})`),
)
const operators = [
  '[@,@]',
  '{a:@,b:@}',
  '[]',
  '[*]',
  '*',
  '[?@==@]',
  '[?@]',
  '[::2]',
  '[::-1]',
  '@==@',
  '@<@',
  '@&&@',
  '@||@',
  '!@',
  '[*].[@,@]',
  '*.[@,@]',
  '[][]',
  '[*].*',
]

/** `npm test` tries a part of them. */
const all = [...functions, ...operators]
const parts = process.env['STRONGROOM_TEST_CASES'] === 'few' ? all.filter((_, index) => index % 8 === 0) : all

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

describe('a query that is repeated as often as a policy may', () => {
  it.each(Object.entries(documents))(
    'ends soon by each function and operator, over %s (attack P4)',
    (_name, json) => {
      const claims = claimsForPolicy({ d: JSON.stringify(json) })
      for (const part of parts)
        for (const [times, rules] of [
          [8, 1],
          [60, 60],
        ] as const) {
          const query = many(times, () => part)
            .join('|')
            .replaceAll('"', String.raw`\"`)
          if (query.length > 4_000) continue
          const rule = `c:[type=="d"]=>add(type="a", value=JmesPath(c.value, "${query}"));`
          const text = `version=1.2;authorizationrules{${many(rules, () => rule).join('')}=>permit();};`
          if (text.length > 65_000) continue
          const start = threadMs()
          try {
            evaluatePolicy(parsePolicy(text), claims)
          } catch {
            // Refused: by its cost, or since the function takes no such argument.
          }
          // Some 60 ms here. Uncounted work took seconds.
          expect(threadMs() - start, `${part}, ${times} times in ${rules} rules`).toBeLessThan(500)
        }
    },
    120_000,
  )
})
