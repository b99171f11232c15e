import type { ErrorCode } from '../errors/catalogue.ts'
import type { ErrorDetail } from '../errors.ts'
import { anyText, list, named, object, optional, type Shape, type TypeOf } from '../shape/index.ts'

/** Of the catalogue: docs/errors.md. */
const code = anyText as Shape<ErrorCode>

/** Errors contain errors, so each description refers to the one schema by name. */
export const errorDetail: Shape<ErrorDetail> = {
  schema: { $ref: '#/components/schemas/ErrorDetail' },
  expected: 'an error',
  check: (value, path, faults) => oneError.check(value, path, faults),
}
const oneError: Shape<ErrorDetail> = named(
  'ErrorDetail',
  object({
    code,
    message: anyText,
    target: optional(anyText),
    details: optional(list(errorDetail)),
    innererror: optional(
      object({
        code: optional(code),
        expected: optional(anyText),
        found: optional(anyText),
        remedy: optional(anyText),
      }),
    ),
  }),
)
/** The body of every refusal. */
export const errorBody = named('ErrorBody', object({ error: oneError }))

const stepTiming = named('StepTiming', object({ name: anyText, startedAt: anyText, endedAt: optional(anyText) }))
export type StepTiming = TypeOf<typeof stepTiming>
export const steps = list(stepTiming)

/** A complete list, in Azure's form. */
export const valueOf = <T>(item: Shape<T>): Shape<{ value: T[] }> => object({ value: list(item) })
