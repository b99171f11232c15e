import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  constant,
  derive,
  deriveAsync,
  isKnown,
  same,
  sourceNames,
  sources,
  vouch,
  Known,
  type Source,
} from './known.ts'
import { judge, Proof, refuseUnless } from './link.ts'

const signed = vouch('a', 'silicon')
/** As it came with the evidence. */
const stated: string = 'a'

describe('a value that somebody vouches for', () => {
  it('rests on everything that it was derived from', () => {
    const source = fc.constantFrom(...sources)
    fc.assert(
      fc.property(fc.array(source, { minLength: 1 }), fc.array(source, { minLength: 1 }), (left, right) => {
        const found = derive([vouch(1, ...left), vouch(2, ...right)], (a, b) => a + b)
        expect([found.value, found.restsOn]).toEqual([3, new Set<Source>([...left, ...right])])
        expect(same(vouch(1, ...left), vouch(1, ...right)).restsOn).toEqual(found.restsOn)
      }),
    )
  })

  it('is the same as another where their values are equal', () => {
    expect([same(vouch(1, 'vTPM'), vouch(1, 'silicon')).value, same(signed, vouch('b', 'silicon')).value]).toEqual([
      true,
      false,
    ])
  })

  it('keeps its sources through one function, a promise, and another value that vouches', async () => {
    expect([...signed.map((text) => text.length).restsOn]).toEqual(['silicon'])
    const later = await deriveAsync([signed, vouch('b', 'first use')], async (a, b) => `${a}${b}`)
    expect([later.value, ...later.restsOn]).toEqual(['ab', 'silicon', 'first use'])
    expect([...vouch('c', 'computed', later).restsOn]).toEqual(['computed', 'silicon', 'first use'])
  })

  it('is made in one folder: no object of its shape is one, nor what its prototype makes', () => {
    const twin = { value: 'a', restsOn: new Set(['silicon']), map: () => twin }
    for (const other of [
      twin,
      Object.create(Known.prototype) as unknown,
      structuredClone(signed),
      'a',
      null,
      undefined,
    ])
      expect(isKnown(other)).toBe(false)
    // @ts-expect-error -- the constructor is private
    expect(() => isKnown(new Known('a', ['silicon']))).not.toThrow()
  })

  it('that is a constant is a literal of the source text, and no variable', () => {
    expect([constant('LUKS2').value, ...constant(0).restsOn]).toEqual(['LUKS2'])
    const either = 'none' as 'LUKS2' | 'none'
    const flag = true as boolean
    const count: number = 1
    // @ts-expect-error -- any text
    constant(stated)
    // @ts-expect-error -- one of two literals: somebody chose
    constant(either)
    // @ts-expect-error -- somebody chose
    constant(flag)
    // @ts-expect-error -- any number
    constant(count)
  })
})

it('has each source in words of its own, strongest first', () => {
  const words = sources.map((source) => sourceNames[source])
  expect(words.filter((text) => text.length > 5)).toHaveLength(sources.length)
  expect(new Set(words).size).toBe(sources.length)
  expect([sources[0], sources.at(-1)]).toEqual(['silicon', 'first use'])
})

describe('a link', () => {
  it('does not hold on what the host states: it does not compile, and is refused where it does', async () => {
    const refused = { outcome: 'refused', why: 'A link does not rest on a value that nobody vouches for.' }
    const attempts: ((proof: Proof) => void)[] = [
      // @ts-expect-error -- a comparison with what the host states
      (proof) => proof.demand({ holds: stated === 'a', message: '', expected: '', actual: '' }),
      // @ts-expect-error -- a line on what the host states
      (proof) => proof.proves`the host says ${stated}`,
      // @ts-expect-error -- also where the value was vouched for before it was taken out
      (proof) => proof.proves`${signed.value}`,
      // @ts-expect-error -- lines of the host's
      (proof) => proof.shown([stated]),
      (proof) => proof.proves`${{ value: 'a', restsOn: new Set(['silicon']) } as unknown as Known<string>}`,
    ]
    for (const attempt of attempts) expect(await judge('id', 'title', attempt)).toMatchObject(refused)
    const unvouched = 'Nothing is derived from a value that nobody vouches for.'
    // @ts-expect-error -- one vouched value beside the host's
    expect(() => same(signed, stated)).toThrow(unvouched)
    expect(() => derive([signed, { value: 'a', restsOn: new Set() } as never], () => true)).toThrow(unvouched)
  })

  it('that proves nothing does not hold, whatever it tells', async () => {
    const told = await judge('id', 'title', (proof) => proof.informs('the host says so'))
    expect(told).toMatchObject({ outcome: 'refused', why: 'A link that proves nothing does not hold.', stated: [] })
    const ofNothing = await judge('id', 'title', (proof) => proof.proves`${constant('LUKS2')}`)
    expect(ofNothing).toMatchObject({ outcome: 'refused', why: 'A link that proves nothing does not hold.' })
    const unshown = await judge('id', 'title', (proof) => {
      proof.demand({ holds: vouch(true, 'silicon'), message: '', expected: '', actual: '' })
    })
    expect(unshown).toMatchObject({ outcome: 'refused', why: 'A link that proves nothing does not hold.' })
    const refusing = await judge('id', 'title', () => refuseUnless(true, { message: '', expected: '', actual: '' }))
    expect(refusing.outcome).toBe('refused')
  })

  it('shows what it proved apart from what it was told, and who vouches, strongest first', async () => {
    const link = await judge('id', 'title', (proof) => {
      proof.demand({ holds: vouch(true, 'first use'), message: '', expected: '', actual: '' })
      proof.proves`signed: ${signed}`
      proof.informs('told')
    })
    expect(link).toEqual({
      id: 'id',
      title: 'title',
      outcome: 'verified',
      shows: ['signed: a'],
      stated: ['told'],
      restsOn: ['silicon', 'first use'],
    })
  })

  it('that is refused shows nothing of what it proved before', async () => {
    const link = await judge('id', 'title', (proof) => {
      proof.proves`signed: ${signed}`
      proof.informs('told')
      proof.demand({ code: 'Code', holds: vouch(false, 'vTPM'), message: 'why', expected: 'x', actual: 'y' })
    })
    expect(link).toEqual({
      id: 'id',
      title: 'title',
      outcome: 'refused',
      shows: [],
      stated: [],
      restsOn: [],
      code: 'Code',
      why: 'why',
      expected: 'x',
      actual: 'y',
    })
  })
})
