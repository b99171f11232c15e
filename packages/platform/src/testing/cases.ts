/** `npm test` sets it: long loops over cases of one kind take a part of them. Elsewhere, as in `npm run test:all`, all run. */
const few = (): boolean => process.env['STRONGROOM_TEST_CASES'] === 'few'

/** All cases, or in `npm test` the first of every `nth`. @param nth coprime to any period of the cases, so that none is missed */
export const spread = <T>(cases: readonly T[], nth: number): T[] =>
  few() ? cases.filter((_, index) => index % nth === 0) : [...cases]

/** The numbers from 0 on, in the same way. */
export const spreadTo = (length: number, nth: number): number[] => spread([...Array(length).keys()], nth)
