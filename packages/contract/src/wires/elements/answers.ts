import type { ErrorCode } from '../../errors/catalogue.ts'
import type { ErrorDetail } from '../../errors/error-body.ts'
import { list, named, object, optional, text, type Shape, type TypeOf } from '../../shape/index.ts'
import { remark, time } from './names.ts'

/** Of the catalogue: docs/reference/errors.md. */
const code = text(/^[A-Za-z][A-Za-z0-9_.]{0,99}$/, 'a code of docs/reference/errors.md') as Shape<ErrorCode>

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
    message: remark,
    target: optional(remark),
    details: optional(list(errorDetail, { most: 1000 })),
    innererror: optional(
      object({
        code: optional(code),
        expected: optional(remark),
        found: optional(remark),
        remedy: optional(remark),
      }),
    ),
  }),
)
/** The body of every refusal. */
export const errorBody = named('ErrorBody', object({ error: oneError }))

const stepTiming = named('StepTiming', object({ name: remark, startedAt: time, endedAt: optional(time) }))
export type StepTiming = TypeOf<typeof stepTiming>
export const steps = list(stepTiming, { most: 1000 })

/** A complete list, in Azure's form. */
export const valueOf = <T>(item: Shape<T>): Shape<{ value: T[] }> => object({ value: list(item) })
