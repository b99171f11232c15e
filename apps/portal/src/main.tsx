import { render } from 'preact'
import { Shell } from './app/shell.tsx'
import { startRouter } from './ui/router.ts'
import { showHidden } from './ui/visible.ts'
import { resume } from './wire/session.ts'

showHidden()
startRouter()
render(<Shell />, document.querySelector('#portal')!)
void resume()
