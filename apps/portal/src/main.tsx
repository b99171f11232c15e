import { render } from 'preact'
import { Shell } from './app/shell.tsx'
import { startRouter } from './app/router.ts'
import { resume } from './session/session.ts'

startRouter()
render(<Shell />, document.querySelector('#portal')!)
void resume()
