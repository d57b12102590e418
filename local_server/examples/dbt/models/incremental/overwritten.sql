{{ new_readings() }}
