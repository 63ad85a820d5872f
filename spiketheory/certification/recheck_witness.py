"""stub"""
def check_witness(model, assumptions, described):
    raise NotImplementedError
