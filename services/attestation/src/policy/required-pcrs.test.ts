import { expect, it } from 'vitest'
import { requireQuotedPcrs } from './required-pcrs.ts'

const pcrs = (...indexes: number[]): Record<string, unknown> => ({
  pcrs: { PCRs: indexes.map((Index) => ({ Index })) },
})
const ask = (mask: number | undefined, claims?: Record<string, unknown>): (() => void) => {
  return () => requireQuotedPcrs(new Map(mask === undefined ? [] : [['required_pcr_mask', mask]]), claims)
}

it('a quote must cover the registers that the mask of the policy names, the highest included', () => {
  expect(ask(0b1011, pcrs(0, 1, 3, 7))).not.toThrow()
  expect(ask(0b1011, pcrs(0, 1))).toThrow('PCR 3')
  expect(ask(0x80_00_00, pcrs(0))).toThrow('PCR 23')
  expect(ask(0, pcrs())).not.toThrow()
  expect(ask(1, pcrs())).toThrow('PCR 0')
})

it('nothing is asked without a mask, nor of evidence without a TPM', () => {
  expect(ask(undefined, pcrs())).not.toThrow()
  expect(ask(0xff_ff_ff, {})).not.toThrow()
  expect(ask(0xff_ff_ff)).not.toThrow()
})
